"""Train and score the rows of an ablation in a folder; finished ones are never done again."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

from maskstream.ablation.plan import AblationPlan, RunScores, Setup, compare, resolve
from maskstream.ablation.summary import write_report
from maskstream.datasets.readers import LabelledVideo
from maskstream.errors import InputError
from maskstream.files import write_json
from maskstream.judging.development import (
    Follower,
    SequenceScores,
    evaluate_sequences,
    labelled_sequences,
    overall,
)
from maskstream.network import checkpoints
from maskstream.plain_data import from_plain, read_json
from maskstream.runtime.pytorch import TorchRuntime, info_for
from maskstream.streaming.ensemble import EnsembleSegmenter
from maskstream.training.follow import Trainer, TrainingData
from maskstream.training.loop import WEIGHTS

logger = logging.getLogger(__name__)

RUN = "run.json"  #: settings of a training, and its minutes once it is finished
SCORES = "scores.json"


@dataclass(frozen=True)
class AblationJob:
    """One row with one seed."""

    setup: Setup
    seed: int


class Ablation:
    """The runs of a plan, each in ``<folder>/<row>/seed-<n>``.

    Args:
        plan: the rows.
        folder: made if absent; a plan that was begun there is resumed.
        seeds: each row is trained with each.
        data: decodes what is trained on; called when there is something to train.
        data_key: differs for other data.
        videos: development sequences, which all rows are scored on.
        steps: length of each training; None: the plan's.
        device: where to train and score.

    Raises:
        InputError: the plan cannot be resolved, there is nothing to score on, or a training in the folder has
            other settings.
    """

    def __init__(
        self,
        plan: AblationPlan,
        folder: Path,
        *,
        seeds: Sequence[int],
        data: Callable[[], TrainingData],
        data_key: str,
        videos: Sequence[LabelledVideo],
        steps: int | None = None,
        device: str = "cpu",
    ) -> None:
        if not videos:
            raise InputError("no development sequences to score on; give a `data` folder with video-dev*")
        self.plan = plan
        self.folder = folder
        self.seeds = tuple(dict.fromkeys(seeds))
        self.videos = videos
        self.device = device
        self.setups = {setup.name: setup for setup in resolve(plan, steps)}
        self._load_data, self._data_key = data, data_key
        self._data: TrainingData | None = None
        for setup in self.setups.values():
            for seed in {*self.seeds, *self._known_seeds(setup)}:
                self._trained_minutes(setup, seed)
            networks = [self.setups[name].network for name in setup.members]
            is_sized = plan.size or all(info_for(network).default_size for network in networks)
            if setup.testing.scales != (1.0,) and not is_sized:
                raise InputError(f"ablation row {setup.name!r}: scales are of a size; give the plan one")

    def run(self, only: Collection[str] = ()) -> None:
        """Do what is not done yet, seed by seed, and bring the report up to date after each run.

        Args:
            only: names of rows; what they need from others is trained too. Empty: all rows.

        Raises:
            InputError: there is no such row.
            KeyboardInterrupt: interrupted; everything that is done is saved.
        """
        if unknown := next((name for name in only if name not in self.setups), None):
            raise InputError(f"the plan has no row {unknown!r}; its rows are {', '.join(self.setups)}")
        jobs = [
            AblationJob(s, seed)
            for seed in self.seeds
            for s in self.setups.values()
            if not only or s.name in only
        ]
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "plan.json", self.plan.to_dict())
        for index, job in enumerate(jobs):
            if self._finished(job) is None:
                left = self._time_left(jobs[index:])
                message = "run %d of %d: %s, seed %d%s"
                logger.info(message, index + 1, len(jobs), job.setup.title, job.seed, left)
                self._do(job)
                self.report()
        self.report()

    def report(self) -> None:
        """Write ``ablation.md``, ``ablation.json`` and ``ablation.svg`` of what is done."""
        jobs = (
            AblationJob(setup, seed) for setup in self.setups.values() for seed in self._known_seeds(setup)
        )
        scores = [done for job in jobs if (done := self._finished(job))]
        write_report(self.folder, self.plan, compare(tuple(self.setups.values()), scores))

    def _known_seeds(self, setup: Setup) -> list[int]:
        folders = (self.folder / setup.name).glob("seed-*")
        return sorted(int(seed) for f in folders if (seed := f.name.removeprefix("seed-")).isdigit())

    def _place(self, name: str, seed: int) -> Path:
        return self.folder / name / f"seed-{seed}"

    def _finished(self, job: AblationJob) -> RunScores | None:
        """Its scores, if it has some with these settings."""
        path = self._place(job.setup.name, job.seed) / SCORES
        if not path.is_file() or any(self._unfinished(name, job.seed) for name in job.setup.members):
            return None
        scores = from_plain(RunScores, read_json(path, "delete its folder"), str(path))
        return scores if scores.settings == self._scoring_settings(job) else None

    def _unfinished(self, name: str, seed: int) -> bool:
        return self._trained_minutes(self.setups[name], seed) is None

    def _trained_minutes(self, setup: Setup, seed: int) -> float | None:
        """Minutes that the finished training of a row took; None if it is not finished.

        Raises:
            InputError: it has other settings than are asked for.
        """
        place = self._place(setup.name, seed)
        if not (place / RUN).is_file():
            return None
        known = read_json(place / RUN, "delete its folder")
        settings = json.loads(json.dumps(self._training_settings(setup, seed)))
        if known["settings"] != settings:
            part = next(name for name in settings if known["settings"].get(name) != settings[name])
            raise InputError(
                f"{place}: was trained with other settings ({part}); delete it, or choose another folder"
            )
        minutes: float | None = known["minutes"] if (place / WEIGHTS).is_file() else None
        return minutes

    def _training_settings(self, setup: Setup, seed: int) -> dict[str, Any]:
        return {
            "network": setup.network.to_dict(),
            "training": replace(setup.training, seed=seed).to_dict(),
            "data": self._data_key,
        }

    def _scoring_settings(self, job: AblationJob) -> dict[str, Any]:
        weights = {name: _digest(self._place(name, job.seed) / WEIGHTS) for name in job.setup.members}
        testing = json.loads(json.dumps(asdict(job.setup.testing)))
        frames = {video.name: len(video.frames) for video in self.videos}
        return {"testing": testing, "size": self.plan.size, "weights": weights, "frames": frames}

    def _do(self, job: AblationJob) -> None:
        for name in job.setup.members:
            if self._unfinished(name, job.seed):
                self._train(self.setups[name], job.seed)
        scores = self._score(job)
        place = self._place(job.setup.name, job.seed)
        place.mkdir(parents=True, exist_ok=True)
        write_json(place / SCORES, asdict(scores))
        logger.info("%s, seed %d: J&F %.3f", job.setup.title, job.seed, scores.jf)

    def _train(self, setup: Setup, seed: int) -> None:
        if self._data is None:
            self._data = self._load_data()
        place = self._place(setup.name, seed)
        place.mkdir(parents=True, exist_ok=True)
        run = {"settings": self._training_settings(setup, seed), "minutes": None}
        write_json(place / RUN, run)
        config = replace(setup.training, seed=seed)
        trainer = Trainer(setup.network, self._data, config, place, device=self.device)
        trainer.run()
        if not trainer.finished:
            raise KeyboardInterrupt
        write_json(place / RUN, {**run, "minutes": trainer.seconds / 60})

    def _score(self, job: AblationJob) -> RunScores:
        setup = job.setup
        networks = [checkpoints.load(self._place(name, job.seed) / WEIGHTS) for name in setup.members]
        parameters = sum(p.numel() for network in networks for p in network.parameters())
        runtimes = [TorchRuntime(network, device=self.device) for network in networks]

        def segmenter() -> Follower:
            testing = setup.testing
            ensemble = EnsembleSegmenter.of(
                runtimes, scales=testing.scales, flip=testing.flip, size=self.plan.size
            )
            return ensemble if len(ensemble.members) > 1 else ensemble.members[0].segmenter

        started = time.monotonic()
        results = list(evaluate_sequences(segmenter, labelled_sequences(self.videos)))
        j, f, jf = overall(result.predicted for result in results)
        is_trained = setup.trained_as == setup.name
        return RunScores(
            row=setup.name,
            seed=job.seed,
            settings=self._scoring_settings(job),
            parameters=parameters,
            training_minutes=(self._trained_minutes(setup, job.seed) or 0.0) if is_trained else 0.0,
            scoring_minutes=(time.monotonic() - started) / 60,
            milliseconds=fmean(result.milliseconds for result in results),
            j=j,
            f=f,
            jf=jf,
            baselines={
                name: overall(result.baselines[name] for result in results)[2]
                for name in results[0].baselines
            },
            sequences={result.name: _figures(result) for result in results},
        )

    def _time_left(self, jobs: Iterable[AblationJob]) -> str:
        """What the finished runs let expect of others, in words; nothing before the first one."""
        trainings, scorings = [], []
        for setup in self.setups.values():
            for seed in self._known_seeds(setup):
                if done := self._finished(AblationJob(setup, seed)):
                    scorings.append(done.scoring_minutes / self._streams(setup))
                    if done.training_minutes:
                        trainings.append(done.training_minutes)
        if not trainings:
            return ""
        todo = [job for job in jobs if self._finished(job) is None]
        missing = {
            (name, job.seed) for job in todo for name in job.setup.members if self._unfinished(name, job.seed)
        }
        minutes = len(missing) * fmean(trainings)
        minutes += sum(self._streams(job.setup) for job in todo) * fmean(scorings)
        return f", about {timedelta(seconds=round(60 * minutes))} left in all"

    @staticmethod
    def _streams(setup: Setup) -> int:
        """How many times testing runs a network over each frame."""
        return len(setup.members) * len(setup.testing.scales) * (1 + setup.testing.flip)


def _figures(result: SequenceScores) -> dict[str, Any]:
    predicted = result.predicted
    objects = zip(predicted.ids, predicted.j, predicted.f, strict=True)
    return {
        "J": predicted.j_mean,
        "F": predicted.f_mean,
        "J&F": predicted.jf_mean,
        "ms/frame": result.milliseconds,
        "objects": {str(i): {"J": float(j.mean()), "F": float(f.mean())} for i, j, f in objects},
    }


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else None

"""Training a network that finds the subject."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from maskstream.errors import InputError  # noqa: E402
from maskstream.training.config import SubjectTrainConfig  # noqa: E402
from maskstream.training.find import SubjectData, SubjectTrainer  # noqa: E402
from maskstream.training.follow import Trainer  # noqa: E402
from maskstream.training.subject_loss import subject_loss  # noqa: E402
from tests.helpers.tiny_subjects import TINY  # noqa: E402
from tests.helpers.tiny_training import LIGHT, RUN, drawn_data  # noqa: E402

pytestmark = pytest.mark.torch

SHORT = SubjectTrainConfig(steps=6, sizes=((32, 64), (64, 32)), batch=4, warm_up=1, rate=1e-3, bfloat16=False)


@pytest.fixture(scope="module")
def data():
    drawn = drawn_data()
    return SubjectData(replace(drawn.images, names=("drawn/0", "drawn/1")), drawn.backgrounds)


def test_the_loss_of_a_fixed_batch_goes_down(data, tmp_path: Path) -> None:
    trainer = SubjectTrainer(TINY, data, replace(SHORT, steps=40, rate=5e-3), tmp_path)
    scenes = trainer.sampler.sample(4, (64, 64))
    trainer.sampler.sample = lambda *_: scenes

    def loss():
        with torch.no_grad():
            return subject_loss(trainer.network(scenes.frames), scenes.labels, 1.0, 1.0).loss.item()

    before = loss()
    trainer.run()
    assert loss() < 0.8 * before


def test_a_resumed_run_is_the_same_to_the_bit(data, tmp_path: Path) -> None:
    through = SubjectTrainer(TINY, data, SHORT, tmp_path / "through")
    through.run()
    stopped = SubjectTrainer(TINY, data, SHORT, tmp_path / "stopped")
    sample = stopped.sampler.sample

    def interrupting(*arguments):
        if stopped.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return sample(*arguments)

    stopped.sampler.sample = interrupting
    stopped.run()
    assert stopped.step == 3
    resumed = SubjectTrainer(TINY, data, SHORT, tmp_path / "stopped")
    resumed.run()
    for ours, theirs in ((through.network, resumed.network), (through.average, resumed.average)):
        ours, theirs = (getattr(n, "network", n).state_dict() for n in (ours, theirs))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_checkpoints_are_judged(data, tmp_path: Path) -> None:
    seen = []

    def evaluate(network, folder, step):
        seen.append((network.config.name, folder, step))
        return {"held back/all": 0.5}

    SubjectTrainer(TINY, data, replace(SHORT, steps=2), tmp_path, evaluate=evaluate).run()
    assert seen == [("tiny", tmp_path, 2)]
    assert '"held back/all": 0.5' in (tmp_path / "log.jsonl").read_text()


def test_the_folder_of_another_kind_of_run_is_refused(data, tmp_path: Path) -> None:
    Trainer(LIGHT, drawn_data(), replace(RUN, steps=1), tmp_path).run()
    with pytest.raises(InputError, match="is a run of another network"):
        SubjectTrainer(TINY, data, SHORT, tmp_path)


def test_void_counts_for_nothing() -> None:
    labels = torch.zeros((1, 32, 32), dtype=torch.uint8)
    labels[:, 8:24, 8:24] = 1
    labels[:, 24:] = 255
    logits = torch.where(labels == 1, 9.0, -9.0)
    wrong = torch.where(labels == 255, 9.0, logits)
    for share in (1.0, 0.5):
        right = subject_loss(logits, labels, share, 1.0)
        assert torch.equal(subject_loss(wrong, labels, share, 1.0).loss, right.loss)
    assert right.iou == 1
    assert right.loss < 0.01


def test_finding_nobody_where_nobody_is_costs_nothing_and_finding_somebody_does() -> None:
    labels = torch.zeros((2, 32, 32), dtype=torch.uint8)
    nobody = subject_loss(torch.full((2, 8, 8), -15.0), labels, 0.5, 1.0)
    assert nobody.loss < 0.01
    assert nobody.iou == 1
    somebody = torch.full((2, 8, 8), -15.0)
    somebody[:, 2:5, 2:5] = 5.0
    assert subject_loss(somebody, labels, 0.5, 1.0).loss > 1


def test_impossible_runs_are_refused() -> None:
    with pytest.raises(InputError, match="multiples of 32"):
        SubjectTrainConfig(steps=1, sizes=((100, 64),))
    with pytest.raises(InputError, match="batch is 0"):
        SubjectTrainConfig(steps=1, batch=0)
    with pytest.raises(InputError, match="steps or a budget"):
        SubjectTrainConfig()
    plain = SubjectTrainConfig.from_dict({"steps": 3, "sizes": [[64, 96]], "scenes": {"on_stills": 0.5}})
    assert plain.sizes == ((64, 96),)
    assert plain.scenes.on_stills == 0.5
    assert SubjectTrainConfig.from_dict(plain.to_dict()) == plain

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from maskstream.errors import InputError  # noqa: E402
from maskstream.network import checkpoints  # noqa: E402
from maskstream.network.model import SegmentationNetwork  # noqa: E402
from maskstream.training import follow, meter  # noqa: E402
from maskstream.training.follow import Trainer  # noqa: E402
from maskstream.training.loop import STATE, WEIGHTS  # noqa: E402
from maskstream.training.rollout import RolloutResult, rollout  # noqa: E402
from tests.helpers.tiny_training import FULL, LIGHT, RUN, STAGES, drawn_clips, drawn_data  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def data():
    return drawn_data()


def watch(trainer, then=None):
    """What the trainer asks clips for; ``then(step)`` is called at each request."""
    seen, sample = [], trainer.sampler.sample

    def spy(*arguments):
        seen.append(arguments)
        if then is not None:
            then(trainer.step)
        return sample(*arguments)

    trainer.sampler.sample = spy
    return seen


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def assert_equal_states(a, b):
    torch.testing.assert_close(a.state_dict(), b.state_dict(), rtol=0, atol=0)


def test_the_loss_of_a_fixed_batch_goes_down(data, tmp_path: Path) -> None:
    clips = drawn_clips()
    calm = {"drop_previous": 0.0, "shift_previous": 0.0, "halve_previous": 0.0}
    config = replace(RUN, steps=40, rate=3e-3, warm_up=5, **calm)
    trainer = Trainer(LIGHT, data, config, tmp_path)
    trainer.sampler.sample = lambda *_: clips

    def loss():
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            result = rollout(trainer.network, clips, config, truth=1.0, hard_share=1.0, generator=generator)
        return result.loss.item()

    before = loss()
    trainer.run()
    assert loss() < 0.7 * before


def test_a_resumed_run_is_the_same_to_the_bit(data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "REPORT_SECONDS", float("inf"))  # on a busy machine a step may take that long
    through = Trainer(LIGHT, data, RUN, tmp_path / "through")
    through.run()

    stopped = Trainer(LIGHT, data, RUN, tmp_path / "stopped")
    watch(stopped, lambda step: os.kill(os.getpid(), signal.SIGINT) if step == 2 else None)
    handler = signal.getsignal(signal.SIGINT)
    stopped.run()
    assert stopped.step == 3  # the step that was under way is finished
    assert not stopped.finished
    assert signal.getsignal(signal.SIGINT) is handler

    resumed = Trainer(LIGHT, data, RUN, tmp_path / "stopped")
    assert resumed.step == 3
    resumed.run()
    assert resumed.finished
    assert resumed.step == RUN.steps
    assert_equal_states(resumed.network, through.network)
    assert_equal_states(resumed.average.network, through.average.network)
    assert_equal_states(checkpoints.load(tmp_path / "stopped" / WEIGHTS), through.average.network)
    assert [line["step"] for line in log_of(tmp_path / "stopped")] == [3, 6]


def test_a_budget_of_minutes_ends_a_run_over_all_resumptions(data, tmp_path: Path) -> None:
    config = replace(RUN, steps=10_000, minutes=1e-4)
    first = Trainer(LIGHT, data, config, tmp_path)
    first.run()
    assert 0 < first.step < 10_000
    assert first.finished
    again = Trainer(LIGHT, data, config, tmp_path)
    again.run()
    assert again.step == first.step
    more = Trainer(LIGHT, data, replace(config, minutes=first.seconds / 60 + 1e-4), tmp_path)
    more.run()
    assert more.step > first.step


def test_without_steps_the_budget_is_the_length(data, tmp_path: Path) -> None:
    trainer = Trainer(LIGHT, data, replace(RUN, steps=0, minutes=0.01), tmp_path)
    seen = []
    watch(trainer, lambda step: seen.append(trainer.progress))
    trainer.run()
    assert trainer.progress == 1
    assert seen[0] == 0
    assert seen == sorted(seen)


def test_the_log_has_a_line_of_figures(data, tmp_path: Path) -> None:
    Trainer(LIGHT, data, RUN, tmp_path).run()
    (line,) = log_of(tmp_path)
    assert line["step"] == line["progress"] * RUN.steps == 6
    assert line["loss"] > 0
    assert 0 <= line["iou"] <= 1
    assert line["clips_per_second"] > 0
    assert 0 < line["clip_making_share"] < 1
    assert 0 < line["rate"] < RUN.rate


def test_every_checkpoint_is_judged_by_its_averaged_weights(data, tmp_path: Path) -> None:
    judged = []

    def evaluate(network, folder, step):
        assert (folder / STATE).is_file()
        assert not network.training
        assert_equal_states(checkpoints.load(folder / WEIGHTS), network)
        judged.append(step)
        return {"development/J": 0.5}

    config = replace(RUN, steps=3, save_minutes=0.0)
    trainer = Trainer(LIGHT, data, config, tmp_path, evaluate=evaluate)
    trainer.run()
    assert judged == [1, 2, 3, 3]
    scores = [line["step"] for line in log_of(tmp_path) if "development/J" in line]
    assert scores == judged
    assert not torch.equal(
        trainer.average.network.image_encoder.key.key.weight, trainer.network.image_encoder.key.key.weight
    )


def test_stages_and_skips_follow_the_progress(data, tmp_path: Path) -> None:
    trainer = Trainer(LIGHT, data, RUN, tmp_path)
    asked = watch(trainer)
    trainer.run()
    first, second = STAGES
    assert [(batch, frames, share) for batch, _, frames, _, share in asked] == [
        (stage.batch, stage.frames, stage.video_fraction) for stage in [first] * 3 + [second] * 3
    ]
    assert {side for _, side, *_ in asked} <= {32, 48}
    assert [skip for *_, skip, _ in asked] == [RUN.skip.max_skip(step / 6) for step in range(6)]


@pytest.mark.parametrize("schedule", ["cosine", "poly"])
def test_the_rate_warms_up_and_decays(data, tmp_path: Path, schedule) -> None:
    trainer = Trainer(LIGHT, data, replace(RUN, schedule=schedule, warm_up=3), tmp_path)
    rates = []
    watch(trainer, lambda step: rates.append(trainer.optimizer.param_groups[0]["lr"]))
    trainer.run()
    assert rates[0] == pytest.approx(RUN.rate / 3)
    assert rates[:3] == sorted(rates[:3])
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] < RUN.rate / 3


def test_a_step_whose_gradient_is_not_finite_is_skipped(
    data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments, **options):
        result = rollout(*arguments, **options)
        return RolloutResult(result.loss * float("nan"), result.iou)

    monkeypatch.setattr(follow, "rollout", broken)
    trainer = Trainer(LIGHT, data, replace(RUN, steps=1), tmp_path)
    before = {name: p.detach().clone() for name, p in trainer.network.named_parameters()}
    trainer.run()
    torch.testing.assert_close(dict(trainer.network.named_parameters()), before, rtol=0, atol=0)
    assert log_of(tmp_path)[0]["loss"] is None


@pytest.mark.parametrize("frozen", [True, False])
def test_norm_statistics_can_be_frozen(data, tmp_path: Path, frozen) -> None:
    trainer = Trainer(LIGHT, data, replace(RUN, steps=1, freeze_norm=frozen), tmp_path)
    before = {k: v.clone() for k, v in trainer.network.named_buffers() if "running" in k}
    trainer.run()
    after = dict(trainer.network.named_buffers())
    assert all(torch.equal(after[k], v) for k, v in before.items()) == frozen


def test_bfloat16_trains_single_precision_weights(data, tmp_path: Path) -> None:
    trainer = Trainer(LIGHT, data, replace(RUN, steps=2, bfloat16=True), tmp_path)
    trainer.run()
    assert {p.dtype for p in trainer.network.parameters()} == {torch.float32}
    assert all(p.isfinite().all() for p in trainer.network.parameters())


def test_training_starts_from_given_weights(data, tmp_path: Path) -> None:
    torch.manual_seed(7)
    given = SegmentationNetwork(LIGHT)
    checkpoints.save(given, tmp_path / "given.safetensors")
    trainer = Trainer(LIGHT, data, RUN, tmp_path / "run", start=tmp_path / "given.safetensors")
    assert_equal_states(trainer.network, given)
    assert trainer.network.training
    assert trainer.network.config == LIGHT
    with pytest.raises(InputError, match="holds another network, 'tiny'"):
        Trainer(FULL, data, RUN, tmp_path / "other", start=tmp_path / "given.safetensors")


def test_a_folder_that_cannot_be_gone_on_in_is_refused(data, tmp_path: Path) -> None:
    Trainer(LIGHT, data, replace(RUN, steps=1), tmp_path).run()
    with pytest.raises(InputError, match="is a run of another network"):
        Trainer(FULL, data, RUN, tmp_path)
    torch.save({"weights": 1}, tmp_path / STATE)
    with pytest.raises(InputError, match="is no state of a training run"):
        Trainer(LIGHT, data, RUN, tmp_path)
    (tmp_path / STATE).write_bytes(b"torn")
    with pytest.raises(InputError, match="is broken"):
        Trainer(LIGHT, data, RUN, tmp_path)


@pytest.mark.slow
def test_two_processes_stay_in_step_and_resume_as_one_run(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    script = root / "tests" / "helpers" / "two_processes.py"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*torchrun, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(root), *sys.path])},
    )
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"rank-{rank}.pt") for rank in (0, 1))
    assert first["steps"] == second["steps"] == [6, 2, 6]
    assert first["seconds"] == second["seconds"]  # one clock
    parameters = [name for name, _ in SegmentationNetwork(LIGHT).named_parameters()]
    for name in parameters:
        assert torch.equal(first["through"][name], second["through"][name]), name
        assert torch.equal(first["through"][name], first["resumed"][name]), name
    for step in range(RUN.steps):
        mine, yours = (torch.load(tmp_path / f"clips-through-{step}-{rank}.pt") for rank in (0, 1))
        assert mine.shape != yours.shape or not torch.equal(mine, yours)
    assert len(log_of(tmp_path / "through")) == 1


def test_frozen_stages_stay_and_the_trunk_has_a_rate_of_its_own(data, tmp_path: Path) -> None:
    config = replace(RUN, frozen_stride=4, trunk_rate=0.1)
    trainer = Trainer(LIGHT, data, config, tmp_path)
    trunk = trainer.network.image_encoder.trunk
    before = {name: each.clone() for name, each in trunk.named_parameters()}
    rates = []
    watch(trainer, lambda step: rates.append({g["scale"]: g["lr"] for g in trainer.optimizer.param_groups}))
    trainer.run()
    moved = {
        name.split(".")[1] for name, each in trunk.named_parameters() if not torch.equal(each, before[name])
    }
    assert moved == {"2", "3"}  # the stages at 1/8 and 1/16
    assert rates[-1][0.1] == pytest.approx(0.1 * rates[-1][1.0])


def test_a_run_without_norms_starts_from_weights_with_norms(data, tmp_path: Path) -> None:
    normed = replace(LIGHT, backbone="efficientnet_lite0")
    folded = replace(normed, trunk_norm=False)
    start = tmp_path / "start.safetensors"
    checkpoints.save(SegmentationNetwork(normed), start)
    trainer = Trainer(folded, data, RUN, tmp_path / "run", start=start)
    trunk = trainer.network.image_encoder.trunk
    assert not any(isinstance(each, torch.nn.BatchNorm2d) for each in trunk.modules())
    assert checkpoints.load(start).config == normed
    with pytest.raises(InputError, match="holds another network"):
        Trainer(replace(folded, key_dim=24), data, RUN, tmp_path / "other", start=start)

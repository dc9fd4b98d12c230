"""Plans of rows that build on each other, what may be said of their scores, and the runs themselves."""

import json
import signal
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from maskstream.ablation.plan import (
    DEFAULT_PLAN,
    AblationPlan,
    AblationRow,
    RunScores,
    compare,
    resolve,
)
from maskstream.ablation.summary import ablation_page, ablation_picture
from maskstream.datasets.readers import LabelledFrame, LabelledVideo
from maskstream.drawn_clips import draw_clip
from maskstream.errors import InputError
from maskstream.network.presets import preset


def test_the_default_plan_adds_one_part_after_another() -> None:
    setups = {setup.name: setup for setup in resolve(DEFAULT_PLAN, steps=7)}
    parts = ("spatial_constraint", "aspp", "refinement")
    on = [[getattr(setup.network, part) for part in parts] for setup in setups.values()]
    assert on[:4] == [[False] * 3, [True, False, False], [True, True, False], [True] * 3]
    assert on[4:] == [[True] * 3] * 4
    skips = [setup.training.skip.skips for setup in setups.values()]
    assert skips == [(18,)] * 4 + [(5, 10, 15, 20, 25, 5)] * 4
    assert {setup.training.steps for setup in setups.values()} == {7}
    assert [setup.network.backbone for setup in setups.values()] == ["plain"] * 5 + ["resnest14d"] * 3
    assert [setup.trained_as for setup in setups.values()] == [*list(setups)[:6], "resnest", "resnest"]
    assert setups["multi-scale"].testing.scales == setups["ensemble"].testing.scales == (0.75, 1.0, 1.25)
    assert setups["ensemble"].members == ("resnest", "strategy")
    assert setups["stm"].network.trunk_widths == preset("live").trunk_widths


def test_a_plan_survives_json() -> None:
    plan = AblationPlan.from_dict(json.loads(json.dumps(DEFAULT_PLAN.to_dict())))
    assert resolve(plan) == resolve(DEFAULT_PLAN)


def test_a_row_may_build_on_another_than_the_one_before() -> None:
    rows = (AblationRow("a"), AblationRow("b", network={"aspp": False}), AblationRow("c", after="a"))
    a, b, c = resolve(AblationPlan(rows, training={"steps": 1}))
    assert (b.after, c.after) == ("a", "a")
    assert b.network == replace(a.network, name="b", aspp=False)
    assert c.trained_as == "a"


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"rows": []}, "it has no rows"),
        ({"rows": [{"name": "a"}, {"name": "a"}]}, "two rows are called 'a'"),
        ({"rows": [{"name": "../a"}]}, "row '../a': its name is one of a folder"),
        ({"rows": [{"name": "a", "after": "b"}]}, "row 'a': 'b' is no earlier row"),
        ({"rows": [{"name": "a", "testing": {"ensemble": ["a"]}}]}, "row 'a': 'a' is no earlier row"),
        ({"rows": [{"name": "a", "testing": {"scales": [0]}}]}, "scales are"),
        ({"rows": [{"name": "a", "network": {"asp": True}}]}, "row 'a': network: no field is called 'asp'"),
        (
            {"rows": [{"name": "a", "training": {"rate": "x"}}]},
            "row 'a': training: rate is 'x'; give a number",
        ),
        ({"rows": [{"name": "a"}], "preset": "big"}, "unknown network 'big'"),
        ({"lines": []}, "ablation plan: no field is called 'lines'"),
    ],
)
def test_plans_that_cannot_be_run_are_refused_in_one_line(plan, message) -> None:
    with pytest.raises(InputError, match=message) as error:
        resolve(AblationPlan.from_dict({"training": {"steps": 1}, **plan}))
    assert "\n" not in str(error.value)


def scores(row, *each):
    settings = {"frames": {"bear": 20, "dog": 30}}
    return [
        RunScores(row, seed, settings, 2_500_000, 1.5, 0.2, 30.0, jf, jf, jf, {"copy first": 0.3}, {})
        for seed, jf in enumerate(each)
    ]


ROWS = (AblationRow("a"), AblationRow("b", "+ b", {"aspp": False}), AblationRow("c", testing={"flip": True}))
SETUPS = resolve(AblationPlan(ROWS, training={"steps": 40}))


@pytest.mark.parametrize(
    ("b", "verdict"),
    [
        ((0.61, 0.63), "helps"),
        ((0.55, 0.65), "within the spread"),
        ((0.40, 0.45), "doesn't help"),
        ((0.7,), "one seed: can't say"),
    ],
)
def test_a_part_helps_only_if_every_seed_says_so(b, verdict) -> None:
    first, second = compare(SETUPS, [*scores("a", 0.5, 0.6), *scores("b", *b)])
    assert first.gain is None
    assert first.verdict == ""
    assert second.verdict == verdict
    assert second.gain == pytest.approx(sum(b) / len(b) - 0.55)


def test_rows_with_the_same_weights_are_compared_seed_by_seed() -> None:
    results = compare(SETUPS, [*scores("b", 0.5, 0.6), *scores("c", 0.51, 0.61)])
    assert results[1].gains == pytest.approx((0.01, 0.01))
    assert results[1].verdict == "helps"


def test_the_report_shows_every_seed() -> None:
    results = compare(SETUPS, [*scores("a", 0.5, 0.6), *scores("b", 0.7, 0.8)])
    lines = ablation_page(results).splitlines()
    cells = [cell.strip() for cell in lines[3].strip("|").split("|")]
    assert cells[:4] == ["+ b", "2.50 M", "1.5", "30"]
    assert cells[4:] == ["0.750", "0.750", "0.750", "0.700..0.800", "+0.200", "helps"]
    assert "scored on: 2, with 50 frames" in ablation_page(results)
    picture = ElementTree.fromstring(ablation_picture(results))
    assert len(picture.findall(".//{*}circle")) == 4


TINY = {
    "trunk_widths": [4, 8, 8, 16],
    "trunk_depths": [0, 1, 1, 1],
    "mask_widths": [4, 4, 8, 8],
    "key_dim": 8,
    "value_dim": 16,
    "aspp_width": 4,
    "decoder_width": [16, 8, 8, 4],
}
PLAN = AblationPlan(
    network={**TINY, "spatial_constraint": False},
    training={
        "steps": 2,
        "stages": [{"until": 1.0, "size": [32], "batch": 2, "frames": 2, "video_fraction": 1.0}],
        "bfloat16": False,
    },
    size=32,
    rows=(
        AblationRow("stm"),
        AblationRow("spatial", network={"spatial_constraint": True}),
        AblationRow("all", testing={"scales": [1.0, 1.5], "flip": True, "ensemble": ["stm"]}),
    ),
)


def drawn_video(seed, frames=5):
    pairs = list(draw_clip(frames, 48, 64, objects=2, seed=seed))
    loaders = (LabelledFrame(f"{i:05d}", lambda pair=pair: pair) for i, pair in enumerate(pairs))
    return LabelledVideo(f"drawn-{seed}", 1, tuple(loaders))


def ablation(folder, plan=PLAN, *, seeds=(0,), videos=(1,), load=None, **options):
    from maskstream.ablation.experiments import Ablation
    from maskstream.clips.packing import pack_videos
    from maskstream.training.follow import TrainingData

    def data():
        return TrainingData(None, pack_videos([drawn_video(0)], 48, 64), None)

    videos = [drawn_video(seed) for seed in videos]
    return Ablation(plan, folder, seeds=seeds, data=load or data, data_key="0", videos=videos, **options)


def must_not_load():
    raise AssertionError("nothing is left to train")


def saved(folder, row, seed=0):
    return json.loads((folder / row / f"seed-{seed}" / "scores.json").read_text())


@pytest.mark.torch
def test_rows_are_trained_once_and_scored_again_only_for_other_sequences(tmp_path: Path) -> None:
    ablation(tmp_path).run()
    assert (
        sorted(path.name for path in tmp_path.glob("*/seed-0/average.safetensors"))
        == ["average.safetensors"] * 2
    )
    stm, spatial, both = (saved(tmp_path, row) for row in ("stm", "spatial", "all"))
    assert stm["training_minutes"] > 0 == both["training_minutes"]
    assert both["parameters"] == stm["parameters"] + spatial["parameters"]
    assert list(both["sequences"]) == ["drawn-1"]
    assert 0 <= both["sequences"]["drawn-1"]["objects"]["1"]["J"] <= 1
    assert (tmp_path / "ablation.md").read_text().count("\n| ") == 4

    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/seed-0/scores.json")}
    ablation(tmp_path, load=must_not_load).run()
    assert before == {path: path.stat().st_mtime_ns for path in before}

    # Another seed is added to what is there.
    ablation(tmp_path, seeds=(1,)).run(only=["stm"])
    assert "seeds 0, 1" in (tmp_path / "ablation.md").read_text()

    ablation(tmp_path, load=must_not_load, videos=(1, 2)).run(only=["stm"])
    assert list(saved(tmp_path, "stm")["sequences"]) == ["drawn-1", "drawn-2"]
    # The others were scored on fewer sequences, which doesn't compare.
    assert (tmp_path / "ablation.md").read_text().count("\n| ") == 2


@pytest.mark.torch
def test_a_row_that_is_only_tested_gets_the_weights_that_it_needs(tmp_path: Path) -> None:
    ablation(tmp_path).run(only=["all"])
    assert (tmp_path / "spatial" / "seed-0" / "average.safetensors").is_file()
    assert not (tmp_path / "spatial" / "seed-0" / "scores.json").exists()
    assert "| all" in (tmp_path / "ablation.md").read_text()


@pytest.mark.torch
def test_what_cannot_be_gone_on_with_or_scored_is_refused(tmp_path: Path) -> None:
    ablation(tmp_path).run(only=["stm"])
    with pytest.raises(InputError, match=r"stm/seed-0: was trained with other settings \(training\)"):
        ablation(tmp_path, steps=3)
    with pytest.raises(InputError, match=r"other settings \(network\)"):
        ablation(tmp_path, replace(PLAN, network={**PLAN.network, "key_dim": 4}))
    rows = (AblationRow("full"), AblationRow("scaled", testing={"scales": [1.0, 1.5]}))
    with pytest.raises(InputError, match="row 'scaled': scales are of a size; give the plan one"):
        ablation(tmp_path / "stm", AblationPlan(rows, preset="stm", training={"steps": 1}))
    with pytest.raises(InputError, match="no development sequences"):
        ablation(tmp_path, videos=())


@pytest.mark.torch
def test_an_interrupted_training_goes_on_to_the_same_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maskstream.training.follow import Trainer

    only = ["stm"]
    ablation(tmp_path / "whole").run(only)
    with monkeypatch.context() as patch:
        step = Trainer._train_step

        def interrupted(trainer):
            signal.raise_signal(signal.SIGINT)
            return step(trainer)

        patch.setattr(Trainer, "_train_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ablation(tmp_path / "cut").run(only)
    assert not (tmp_path / "cut" / "stm" / "seed-0" / "scores.json").exists()
    ablation(tmp_path / "cut").run(only)
    assert saved(tmp_path / "cut", "stm")["jf"] == saved(tmp_path / "whole", "stm")["jf"]

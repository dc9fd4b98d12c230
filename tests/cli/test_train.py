"""``train`` and ``export`` from files on disk to graphs that segment."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskstream.cli.__main__ import main
from maskstream.drawn_clips import draw_clip
from tests.helpers.drawn_data import NETWORK, RUN, write_drawn_data

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data folder, and the files of a tiny run."""
    root = tmp_path_factory.mktemp("train")
    write_drawn_data(root / "data")
    (root / "net.json").write_text(json.dumps(NETWORK))
    (root / "run.json").write_text(json.dumps(RUN))
    return root


def train(folder, *options):
    network, run = str(folder / "net.json"), str(folder / "run.json")
    arguments = ["--data", str(folder / "data"), "--network", network, "--config", run, "--device", "cpu"]
    return main(["train", "-o", str(folder / "run"), *arguments, *options])


def test_train_judges_resumes_and_exports(
    folder, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert train(folder, "--steps", "2", "--cache", str(folder / "cache")) == 0
    assert "average.safetensors: step 2, finished" in capsys.readouterr().out
    assert "skipped drawn/lonely: no mask beside the image" in caplog.text
    assert "left out, each named above: 1" in caplog.text
    run = folder / "run"
    assert sorted(path.name for path in (folder / "cache").iterdir()) == ["images.pt", "videos.pt"]
    assert {"state.pt", "average.safetensors", "development.md"} <= {path.name for path in run.iterdir()}
    assert "drawn-2" in (run / "development.md").read_text()
    with Image.open(run / "development-000002.jpg") as sheet:
        assert sheet.width > sheet.height
    figures = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert 0 <= figures[-1]["development/J&F"] <= 1

    assert train(folder, "--steps", "4") == 0
    assert "step 4, finished" in capsys.readouterr().out

    exported = folder / "exported"
    weights = str(run / "average.safetensors")
    notes = {"scores": [{"data": "drawn", "measure": "J&F", "value": 0.5, "command": "none"}]}
    (folder / "notes.json").write_text(json.dumps(notes))
    options = ["--name", "mine", "--size", "64", "--notes", str(folder / "notes.json")]
    assert main(["export", weights, "-o", str(exported), *options]) == 0
    assert f"{exported}: mine" in capsys.readouterr().out
    from maskstream.network import checkpoints
    from maskstream.runtime.cards import ModelCard
    from maskstream.runtime.load import load_model
    from maskstream.streaming.segmenter import VideoSegmenter

    card = ModelCard.read(exported)
    network = checkpoints.load(weights)
    assert card.notes.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert card.notes.scores[0].value == 0.5
    runtime = load_model(exported, threads=1)
    assert runtime.info.default_size == 64
    segmenter = VideoSegmenter(runtime)
    for index, (frame, label_map) in enumerate(draw_clip(3, 64, 96, objects=2)):
        result = segmenter.step(frame, label_map if index == 0 else None)
    assert np.isfinite(result.probabilities).all()


def test_a_network_that_finds_the_subject_trains_resumes_and_is_judged(
    folder, capsys: pytest.CaptureFixture[str]
) -> None:
    network = {
        "name": "tiny",
        "trunk_widths": [4, 8, 8, 16],
        "trunk_depths": [0, 1, 1, 1],
        "context_width": 16,
        "context_depth": 1,
        "aspp_width": 4,
        "decoder_width": [8, 8, 4],
    }
    stills = folder / "subjects" / "static-0" / "human290"
    stills.mkdir(parents=True)
    for seed in range(10):
        frame, label_map = next(draw_clip(1, 64, 64, objects=1, seed=seed))
        Image.fromarray(frame).save(stills / f"{seed}.jpg")
        Image.fromarray(label_map).save(stills / f"{seed}.png")
    (folder / "subject.json").write_text(json.dumps(network))
    (folder / "short.json").write_text(json.dumps({"sizes": [[32, 64]], "batch": 2}))
    run = folder / "subject-run"
    files = ["--network", str(folder / "subject.json"), "--config", str(folder / "short.json")]
    data = ["--data", str(folder / "subjects"), "--cache", str(folder / "subject-cache")]
    command = ["train", "--stage", "subject", "-o", str(run), *data, *files, "--device", "cpu"]
    assert main([*command, "--steps", "2"]) == 0
    assert "average.safetensors: step 2, finished" in capsys.readouterr().out
    figures = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert 0 <= figures[-1]["held back/people"] <= 1
    with Image.open(run / "subjects-000002.jpg") as sheet:
        assert sheet.width == 8 * 160
    assert sorted(path.name for path in (folder / "subject-cache").iterdir()) == ["subjects.pt"]

    assert main([*command, "--steps", "3"]) == 0
    assert "step 3, finished" in capsys.readouterr().out

    from maskstream.first_mask.subject import SubjectFinder

    weights, exported = str(run / "average.safetensors"), folder / "subject-exported"
    assert main(["export", weights, "-o", str(exported), "--size", "64"]) == 0
    assert "one graph, which finds the subject" in capsys.readouterr().out
    assert SubjectFinder(exported).probability(np.zeros((96, 128, 3), np.uint8)).shape == (16, 24)
    assert main(["export", weights, "-o", str(exported), "--every", "3"]) == 2
    assert "has no memory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stage", "subject", "--network", "live", "--steps", "1", "--static", "."], "finds no subject"),
        (["--stage", "subject", "--static", "."], "give a number of steps or a budget in minutes"),
        (["--network", "huge", "--steps", "1", "--static", "."], "unknown network 'huge'"),
        (["--network", "absent.json", "--steps", "1", "--static", "."], "absent.json: no such file"),
        (["--static", "."], "give a number of steps or a budget in minutes"),
        (["--steps", "1"], "no data to train on"),
        (["--steps", "1", "--data", "absent"], "no data folder at absent"),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line(
    options, message, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "-o", "run", *options]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()

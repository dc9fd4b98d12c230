"""What is known of exported networks is read with their sizes and measurements, or refused in one line."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from maskstream.errors import InputError
from maskstream.runtime.cards import SUBJECT_TASK, ModelCard, Notes, Score, Speed
from maskstream.runtime.load import WEIGHTS, shipped_models, shipped_subject_models
from maskstream.runtime.protocol import Memory, MemoryEntry, ModelInfo
from maskstream.runtime.speed import time_of_a_frame, usual_memory, usual_size

SCORE = Score("video-dev", "J&F", 0.5, "measure this")
SPEED = Speed(12.5, "encode + segment", 2, "a machine", "time this")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "encode.onnx").write_bytes(bytes(1000))
    (folder / "mine.safetensors").write_bytes(bytes(9999))  # it does not run from these
    return folder


def describe(folder, **content):
    (folder / "model.json").write_text(json.dumps({"name": "mine", **content}))
    return folder


def test_all_that_was_noted_is_read(folder) -> None:
    notes = Notes("a task", 1234, (SCORE,), SPEED)
    card = ModelCard.read(describe(folder, default_size=96, from_the_future=1, **asdict(notes)))
    assert card.info == ModelInfo("mine", default_size=96)
    assert card.notes == notes
    assert card.disk_bytes == 1000 + (folder / "model.json").stat().st_size
    plain = json.loads(json.dumps(card.as_dict()))
    assert (plain["name"], plain["scores"][0]["value"], plain["speed"]["threads"]) == ("mine", 0.5, 2)


def test_a_network_without_notes_has_a_card_too(folder) -> None:
    card = ModelCard.read(describe(folder))
    assert card.notes == Notes()
    assert card.notes.parameters is None


@pytest.mark.parametrize(
    "content",
    [
        {"scores": [{"value": 1}]},
        {"scores": [{**asdict(SCORE), "value": "good"}]},
        {"scores": 3},
        {"scores": [3]},
        {"speed": {"milliseconds": 3}},
        {"speed": "fast"},
        {"parameters": "2.6 M"},
        {"task": 3},
    ],
)
def test_notes_of_another_form_are_refused(folder, content) -> None:
    with pytest.raises(
        InputError, match=r"model\.json: its task, parameters, scores or speed cannot be read"
    ):
        ModelCard.read(describe(folder, **content))


def test_what_is_no_exported_network_is_refused(tmp_path: Path, folder) -> None:
    with pytest.raises(InputError, match="no such network; shipped are"):
        ModelCard.read("nonesuch")
    with pytest.raises(InputError, match="is not exported; `maskstream export"):
        ModelCard.read(tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match=r"no model\.json"):
        ModelCard.read(folder)


def test_a_file_of_notes_holds_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    for text, message in (
        ("{", "cannot be read"),
        ("[]", "is no JSON object"),
        ('{"score": 1}', "'score' is no note of a network; there are task, parameters, scores, speed"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=f"notes.json: {message}"):
            Notes.read(path)
    path.write_text(json.dumps(asdict(Notes(scores=(SCORE,)))))
    assert Notes.read(path) == Notes(scores=(SCORE,))


@pytest.mark.parametrize("name", shipped_models())
def test_shipped_networks_say_what_was_measured(name) -> None:
    card = ModelCard.read(name)
    assert card.info.name == name
    assert card.notes.parameters > 100_000
    assert card.notes.speed.milliseconds > 1
    score = card.notes.scores[0]
    assert (score.measure, 0.5 < score.value < 1) == ("J&F", True)
    text = (WEIGHTS / name / "README.md").read_text()
    assert score.command in text  # the card says how
    assert f"{score.value:.3f}" in text


@pytest.mark.parametrize("folder", shipped_subject_models(), ids=lambda folder: folder.name)
def test_shipped_networks_that_find_the_subject_say_what_was_measured(folder) -> None:
    card = ModelCard.read(folder)
    assert (card.info.name, card.notes.task) == (folder.name, SUBJECT_TASK)
    assert card.disk_bytes < 5_000_000
    assert card.notes.speed.milliseconds > 1
    text = (folder / "README.md").read_text()
    for score in card.notes.scores:
        assert (score.measure, 0.5 < score.value < 1) == ("IoU", True)
        assert score.command in text
        assert f"{score.value:.3f}" in text


class Counting:
    """Takes no time; keeps what it was asked."""

    def __init__(self, **fields):
        self.info = ModelInfo("counting", **fields)
        self.asked = []

    def encode(self, frame):
        self.asked.append(frame.shape)

    def memorize(self, frame, features, masks, others):
        return MemoryEntry(masks[:, :1, :1], None, masks[:, :1, :1])

    def segment(self, features, memory: Memory, previous_masks):
        self.asked.append((memory.key.shape[0], previous_masks.shape))


@pytest.mark.parametrize(
    ("fields", "size", "frames"),
    [
        ({"default_size": 240, "memory_max_frames": 3, "memory_previous": False}, (240, 432), 4),
        ({"memory_max_frames": None}, (480, 848), 10),
    ],
)
def test_a_frame_is_timed_at_the_networks_own_size_and_memory(fields, size, frames) -> None:
    runtime = Counting(**fields)
    assert (usual_size(runtime.info), usual_memory(runtime.info)) == (size, frames)
    taken, what = time_of_a_frame(runtime, objects=2, repeats=3)
    assert taken < 50
    assert what == f"encode + segment of 2 objects, {frames} memory frames, {size[1]}x{size[0]}"
    assert set(runtime.asked) == {(*size, 3), (frames, (2, *size))}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"stride": {}}, "model.json: stride is {}; give a whole number"),
        ({"stride": 0}, "model.json: stride is 0; it is 1 or more"),
        ({"stride": True}, "model.json: stride is True; give a whole number"),
        ({"default_size": "480"}, "model.json: default_size is '480'; give a whole number"),
        ({"default_size": -480}, "model.json: default_size is -480"),
        ({"memory_every": 2.5}, "model.json: memory_every is 2.5; give a whole number"),
        ({"memory_every": 0}, "model.json: memory_every is 0"),
        ({"shared_key": "yes"}, "model.json: shared_key is 'yes'; give true or false"),
        ({"window": 0.5}, "model.json: window is 0.5; it is 0, or 1 or more"),
        ({"window": []}, r"model.json: window is \[\]; give a number"),
        ({"name": None}, "model.json: does not name a network"),
        ({"scores": 5}, "model.json: its task, parameters, scores or speed cannot be read"),
        ({"scores": [{"value": []}]}, "model.json: its task, parameters, scores or speed cannot be read"),
        ({"speed": "fast"}, "model.json: its task, parameters, scores or speed cannot be read"),
        ({"parameters": {}}, "model.json: its task, parameters, scores or speed cannot be read"),
    ],
)
def test_wrong_types_are_one_line_that_names_the_field(folder, content, message) -> None:
    with pytest.raises(InputError, match=message) as refused:
        ModelCard.read(describe(folder, **content))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"name": "mine", "window": NaN}', "model.json: cannot be read as JSON .NaN is no JSON.; export"),
        ('{"name": "mine", "window": 1e999}', "model.json: window is inf; it is 0, or 1 or more"),
        ("[]", "model.json: is no JSON object; export the network again"),
    ],
)
def test_numbers_that_are_none_and_other_json_are_one_line(folder, text, message) -> None:
    (folder / "model.json").write_text(text)
    with pytest.raises(InputError, match=message):
        ModelCard.read(folder)

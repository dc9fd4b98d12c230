import json
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="needs the train extra")

from maskstream.clips.clip_config import ClipConfig, SkipSchedule
from maskstream.errors import InputError
from maskstream.training.config import STAGES, Stage, TrainConfig

pytestmark = pytest.mark.torch

STAGE = {"until": 1.0, "size": [64], "batch": 2, "frames": 3, "video_fraction": 0.5}


def test_a_run_survives_json() -> None:
    config = TrainConfig(
        steps=10,
        stages=(Stage(1.0, (32, 64), 2, 3, 0.5),),
        skip=SkipSchedule((0.0, 0.5), (1, 2)),
        clips=ClipConfig(max_objects=5, layer_scale=(0.1, 0.2)),
    )
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_missing_fields_keep_their_defaults_in_nested_configs_too() -> None:
    config = TrainConfig.from_dict({"minutes": 5, "clips": {"flip": 0}, "stages": [STAGE]})
    assert config == TrainConfig(
        minutes=5, clips=replace(ClipConfig(), flip=0), stages=(Stage(1.0, (64,), 2, 3, 0.5),)
    )


def test_stages_follow_one_another_and_the_last_one_stays() -> None:
    config = TrainConfig(minutes=1)
    shown = [config.stage(progress) for progress in (0.0, 0.19, 0.2, 0.74, 0.75, 1.0)]
    assert shown == [STAGES[0], STAGES[0], STAGES[1], STAGES[1], STAGES[2], STAGES[2]]


def test_stills_come_first_and_video_is_never_alone() -> None:
    assert STAGES[0].video_fraction == 0
    assert all(stage.video_fraction < 1 for stage in STAGES)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "give a number of steps or a budget in minutes"),
        ({"steps": 1, "epochs": 3}, "training config: no field is called 'epochs'"),
        ({"steps": "many"}, "training config: steps is 'many'; give a whole number"),
        ({"steps": 1, "rate": None}, "rate is None; give a number"),
        ({"steps": 1, "schedule": "steep"}, "schedule is 'steep'; choose cosine or poly"),
        ({"steps": 1, "stages": []}, "give one stage or more"),
        ({"steps": 1, "stages": [STAGE, STAGE]}, "each until a later progress"),
        ({"steps": 1, "stages": [{"until": 1.0}]}, "stages: missing 4 required"),
        ({"steps": 1, "stages": [{**STAGE, "size": [100]}]}, "give one or more multiples of 16"),
        ({"steps": 1, "stages": [{**STAGE, "frames": 1}]}, "give 1 clip, 2 frames or more"),
        ({"steps": 1, "clips": {"hue": "red"}}, "clips: hue is 'red'; give a number"),
        ({"steps": 1, "clips": 7}, "clips is 7; give an object of its fields"),
        ({"steps": 1, "skip": {"fractions": [0.5], "skips": [3]}}, "skip schedule"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(fields, message) -> None:
    with pytest.raises(InputError, match=message) as error:
        TrainConfig.from_dict(fields)
    assert "\n" not in str(error.value)

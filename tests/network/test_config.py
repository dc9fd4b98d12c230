import json
from dataclasses import replace

import pytest

from maskstream.errors import InputError
from maskstream.network.config import NetworkConfig
from maskstream.network.presets import PRESETS, preset


@pytest.mark.parametrize("name", PRESETS)
def test_configs_survive_json(name) -> None:
    config = preset(name)
    assert config.name == name
    assert NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_missing_fields_keep_their_defaults() -> None:
    assert NetworkConfig.from_dict({"key_dim": 32}) == replace(NetworkConfig(), key_dim=32)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"colour": "red"}, "no field is called 'colour'"),
        ({"similarity": "sine"}, "similarity is 'sine'; give 'dot' or 'l2' or 'cosine'"),
        ({"trunk_widths": [8, 8]}, r"trunk_widths is \[8, 8\]; give a list of 4, each a whole number"),
        ({"aspp": "yes"}, "aspp is 'yes'; give true or false"),
        ({"key_dim": 0}, "must be 1 or more"),
        ({"backbone_options": [8]}, r"backbone_options is \[8\]; give an object of its fields"),
        ({"backbone": "plain", "backbone_options": {"layers": [1]}}, "backbone_options are for timm's"),
        ({"memory_encoder": "light"}, "set shared_key to true"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(fields, message) -> None:
    with pytest.raises(InputError, match=message) as error:
        NetworkConfig.from_dict(fields)
    assert "\n" not in str(error.value)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(InputError, match="unknown network 'big'; choose one of stm, damo, live"):
        preset("big")

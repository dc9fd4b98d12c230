"""Weights in and out: safetensors with the config inside, and the published STM files."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor

from maskstream.errors import InputError
from maskstream.files import written_beside
from maskstream.network.config import NetworkConfig
from maskstream.network.model import SegmentationNetwork
from maskstream.network.presets import preset
from maskstream.network.subject_config import SubjectConfig
from maskstream.network.subject_network import SubjectNetwork

_OF_SUBJECTS = "context_width"  # a field of their configs only

Network = SegmentationNetwork | SubjectNetwork  #: what has weights and a config of its own

# Published STM state dict to ours, as (pattern, replacement), each a bijection of key prefixes.
_STM_RULES = (
    (r"Encoder_M\.(mean|std)", r"memory_encoder.normalise.\1"),
    (r"Encoder_Q\.(mean|std)", r"image_encoder.normalise.\1"),
    (r"Encoder_M\.conv1_m\.", "memory_encoder.trunk.mask_conv."),
    (r"Encoder_M\.conv1_o\.", "memory_encoder.trunk.others_conv."),
    (r"Encoder_M\.res2\.", "memory_encoder.trunk.body.layer1."),
    (r"Encoder_M\.res3\.", "memory_encoder.trunk.body.layer2."),
    (r"Encoder_M\.res4\.", "memory_encoder.trunk.body.layer3."),
    (r"Encoder_M\.", "memory_encoder.trunk.body."),
    (r"Encoder_Q\.res2\.", "image_encoder.trunk.body.layer1."),
    (r"Encoder_Q\.res3\.", "image_encoder.trunk.body.layer2."),
    (r"Encoder_Q\.res4\.", "image_encoder.trunk.body.layer3."),
    (r"Encoder_Q\.", "image_encoder.trunk.body."),
    (r"KV_M_r4\.Key\.", "memory_encoder.key.key."),
    (r"KV_M_r4\.Value\.", "memory_encoder.value."),
    (r"KV_Q_r4\.Key\.", "image_encoder.key.key."),
    (r"KV_Q_r4\.Value\.", "image_encoder.value."),
    (r"Decoder\.convFM\.", "decoder.fuse."),
    (r"Decoder\.ResMM\.", "decoder.block."),
    (r"Decoder\.RF3\.convFS\.", "decoder.skips.0.conv."),
    (r"Decoder\.RF3\.ResFS\.", "decoder.skips.0.blocks.0."),
    (r"Decoder\.RF3\.ResMM\.", "decoder.merges.0.block."),
    (r"Decoder\.RF2\.convFS\.", "decoder.skips.1.conv."),
    (r"Decoder\.RF2\.ResFS\.", "decoder.skips.1.blocks.0."),
    (r"Decoder\.RF2\.ResMM\.", "decoder.merges.1.block."),
    (r"Decoder\.pred2\.", "decoder.predict."),
)


def convert_stm(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published STM state dict (with or without ``module.``) under our names.

    Raises:
        InputError: a key is none of STM's.
    """
    converted = {}
    for key, tensor in published.items():
        bare = key.removeprefix("module.")
        for pattern, replacement in _STM_RULES:
            ours, count = re.subn(rf"^{pattern}", replacement, bare)
            if count:
                converted[ours] = tensor
                break
        else:
            raise InputError(f"not an STM checkpoint: unexpected key {key!r}")
    return converted


def save(network: Network, path: str | Path, notes: dict[str, str] | None = None) -> None:
    """Write weights and config to one safetensors file, beside and renamed.

    Args:
        network: what to save.
        path: ends in ``.safetensors``.
        notes: more strings for the file's metadata (stage, step, score).
    """
    from safetensors.torch import save_file

    path = Path(path)
    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    with written_beside(path) as part:
        save_file(tensors, part, {**(notes or {}), "config": json.dumps(network.config.to_dict())})


def load(path: str | Path) -> SegmentationNetwork:
    """A network, in evaluation mode on the CPU, from our ``.safetensors`` or a published STM ``.pth``.

    Raises:
        InputError: the file is missing, broken, or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a .safetensors of maskstream or a published STM .pth")
    if path.suffix == ".safetensors":
        config, state = _read_safetensors(path)
    else:
        config, state = preset("stm"), _read_published(path)
    network = SegmentationNetwork(replace(config, pretrained=False))
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        first = shorten(str(error).partition("\n")[2].strip().partition("\n")[0], 120)
        raise InputError(f"{path}: weights don't fit the network {config.name!r}: {first}") from error
    return network.eval()


def load_subject(path: str | Path) -> SubjectNetwork:
    """A subject network, in evaluation mode on the CPU, from our ``.safetensors``.

    Raises:
        InputError: the file is missing, broken, or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a .safetensors of `maskstream train --stage subject`")
    config, state = _read_config(path)
    try:
        network = SubjectNetwork(SubjectConfig.from_dict(config))
        network.load_state_dict(state)
    except (RuntimeError, InputError) as error:
        reason = shorten(str(error).replace("\n", " "), 120)
        raise InputError(f"{path}: holds no network that finds the subject ({reason})") from error
    return network.eval()


def finds_subjects(path: str | Path) -> bool:
    """Whether a file holds a subject network; a file that cannot be read holds none."""
    path = Path(path)
    if path.suffix != ".safetensors" or not path.is_file():
        return False
    try:
        return _OF_SUBJECTS in _read_config(path)[0]
    except InputError:
        return False


def started_subject(path: Path, config: SubjectConfig) -> SubjectNetwork:
    """A subject network to train on: weights of such a one, or the trunk of one that follows objects.

    Raises:
        InputError: the file is missing or broken, or holds a network or a trunk of other widths.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a .safetensors of maskstream")
    held, state = _read_config(path)
    network = SubjectNetwork(config)
    if _OF_SUBJECTS in held:
        found = load_subject(path)
        if found.config != config:
            raise InputError(f"{path}: holds another network, {found.config.name!r}; train that, or afresh")
        return found
    trunk = {
        key.removeprefix("image_encoder."): tensor
        for key, tensor in state.items()
        if key.startswith(("image_encoder.trunk.", "image_encoder.normalise."))
    }
    try:
        missing = network.load_state_dict(trunk, strict=False)
        if missing.unexpected_keys or any(k.startswith("trunk.") for k in missing.missing_keys):
            raise RuntimeError("its image encoder has another trunk")
    except RuntimeError as error:
        reason = shorten(str(error).replace("\n", " "), 120)
        raise InputError(f"{path}: no trunk for {config.name!r} in it ({reason})") from error
    return network


def _read_safetensors(path: Path) -> tuple[NetworkConfig, dict[str, Tensor]]:
    fields, state = _read_config(path)
    try:
        # The weights are here; the trunk must not ask for ImageNet's.
        config = NetworkConfig.from_dict({**fields, "pretrained": False})
    except InputError as error:
        raise InputError(f"{path}: the network config inside cannot be used ({error})") from error
    return config, state


def _read_config(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The config as plain data, and the weights."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"{path}: not a safetensors file, or cut short ({error})") from error
    if "config" not in metadata:
        raise InputError(f"{path}: has no network config inside; it was not written by maskstream")
    try:
        return dict(json.loads(metadata["config"])), state
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: the network config inside cannot be used ({error})") from error


def _read_published(path: Path) -> dict[str, Tensor]:
    state = read_pickle(path)
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise InputError(f"{path}: holds no plain state dict of tensors")
    try:
        return convert_stm(state)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def read_pickle(path: Path) -> Any:
    """What ``torch.save`` wrote to a file, on the CPU, as long as it is tensors and plain data.

    Raises:
        InputError: the file is broken or holds anything else.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # what a broken pickle raises depends on where it breaks
        raise InputError(f"{path}: is broken, or holds more than tensors and plain data") from error

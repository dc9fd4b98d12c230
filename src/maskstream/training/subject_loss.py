"""The loss of a network that finds the subject: that of following one object in one frame."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from maskstream.clips.tensors import VOID
from maskstream.training.losses import bootstrapped_cross_entropy, dice, soft_iou


class SubjectResult(NamedTuple):
    """What a batch gave.

    Attributes:
        loss: scalar, with gradients.
        iou: mean IoU over frames; 1 where there is no subject and none was detected.
    """

    loss: Tensor
    iou: Tensor


def subject_loss(logits: Tensor, labels: Tensor, hard_share: float, dice_weight: float) -> SubjectResult:
    """Cross-entropy and dice at the labels' size.

    Args:
        logits: ``(B, h, w)``.
        labels: ``(B, H, W)`` uint8: 1 is the subject, 255 void.
        hard_share: share of the pixels that the cross-entropy counts.
        dice_weight: weight of the dice loss.
    """
    large = F.interpolate(logits[:, None].float(), labels.shape[-2:], mode="bilinear", align_corners=False)
    probabilities = large[:, 0].sigmoid()
    truth, known = (labels == 1).float(), (labels != VOID).float()
    log_odds = torch.cat([torch.zeros_like(large), large], 1)
    loss = bootstrapped_cross_entropy(log_odds, labels, hard_share)
    loss = loss + dice_weight * dice(probabilities, truth, known)
    return SubjectResult(loss, soft_iou(probabilities.detach(), truth, known))

"""The published STM as it computes: the yardstick of ``stm.py``, and of the parity tests.

Written anew from the paper (Oh et al., ICCV 2019) and from what the published code does; names of weights are
the published file's. What costs it time and memory is kept: room for ten objects whatever their number, keys
and values of all memory frames joined anew for every frame, the whole affinity at once, all objects at once,
and skip branches computed for each object.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOTS = 11  #: of objects, the background among them
DEPTHS, WIDTHS = (3, 4, 6), (64, 128, 256)
Memory = tuple[Tensor, Tensor]


class Bottleneck(nn.Module):
    """ResNet-50's block."""

    def __init__(self, width: int, middle: int, stride: int) -> None:
        super().__init__()
        out = 4 * middle
        self.conv1, self.bn1 = nn.Conv2d(width, middle, 1, bias=False), nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv3, self.bn3 = nn.Conv2d(middle, out, 1, bias=False), nn.BatchNorm2d(out)
        self.downsample: nn.Module | None = None
        if width != out:
            self.downsample = nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, 4 middle, H/stride, W/stride)``."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)), inplace=True)


class Encoder(nn.Module):
    """ResNet-50 to 1/16; that of the memory also sees the object's mask and the others'."""

    def __init__(self, masks: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False), nn.BatchNorm2d(64)
        if masks:
            self.conv1_m = nn.Conv2d(1, 64, 7, 2, padding=3, bias=False)
            self.conv1_o = nn.Conv2d(1, 64, 7, 2, padding=3, bias=False)
        width = 64
        for name, middle, depth in zip(("res2", "res3", "res4"), WIDTHS, DEPTHS, strict=True):
            blocks = []
            for i in range(depth):
                blocks.append(Bottleneck(width, middle, 2 if i == 0 and name != "res2" else 1))
                width = 4 * middle
            self.add_module(name, nn.Sequential(*blocks))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, frame: Tensor, *masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at 1/16, 1/8 and 1/4."""
        x = self.conv1((frame - self.mean) / self.std)
        if masks:
            x = x + self.conv1_m(masks[0]) + self.conv1_o(masks[1])
        r2 = self.res2(F.max_pool2d(F.relu(self.bn1(x), inplace=True), 3, 2, padding=1))
        r3 = self.res3(r2)
        return self.res4(r3), r3, r2


class KeyValue(nn.Module):
    """The heads."""

    def __init__(self) -> None:
        super().__init__()
        self.Key, self.Value = nn.Conv2d(1024, 128, 3, padding=1), nn.Conv2d(1024, 512, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, 1024, h, w)`` to key and value."""
        return self.Key(x), self.Value(x)


class ResBlock(nn.Module):
    """The decoder's block."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(256, 256, 3, padding=1), nn.Conv2d(256, 256, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class Refine(nn.Module):
    """One step finer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convFS = nn.Conv2d(width, 256, 3, padding=1)
        self.ResFS, self.ResMM = ResBlock(), ResBlock()

    def forward(self, skip: Tensor, x: Tensor) -> Tensor:
        """The skip feature of each object, and what is twice as coarse."""
        skip = self.ResFS(self.convFS(skip))
        finer = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.ResMM(skip + finer)


class Decoder(nn.Module):
    """Read-out to two maps at full size."""

    def __init__(self) -> None:
        super().__init__()
        self.convFM, self.ResMM = nn.Conv2d(1024, 256, 3, padding=1), ResBlock()
        self.RF3, self.RF2 = Refine(512), Refine(256)
        self.pred2 = nn.Conv2d(256, 2, 3, padding=1)

    def forward(self, r4: Tensor, r3: Tensor, r2: Tensor) -> Tensor:
        """``(N, 2, H, W)``."""
        x = self.RF2(r2, self.RF3(r3, self.ResMM(self.convFM(r4))))
        return F.interpolate(self.pred2(F.relu(x)), scale_factor=4.0, mode="bilinear", align_corners=False)


class PublishedSTM(nn.Module):
    """Frames ``(1, 3, H, W)`` in 0..1, masks ``(1, 11, H, W)``; H and W multiples of 16."""

    def __init__(self) -> None:
        super().__init__()
        self.Encoder_M, self.Encoder_Q = Encoder(masks=True), Encoder(masks=False)
        self.KV_M_r4, self.KV_Q_r4 = KeyValue(), KeyValue()
        self.Decoder = Decoder()

    def memorize(self, frame: Tensor, masks: Tensor, objects: int) -> Memory:
        """Keys ``(1, 11, 128, 1, h, w)`` and values ``(1, 11, 512, 1, h, w)``, zero where no object is."""
        mine = masks[0, 1 : objects + 1, None]
        others = torch.stack(
            [
                masks[0, [i for i in range(1, objects + 1) if i != own]].sum(0, keepdim=True).clamp(0, 1)
                for own in range(1, objects + 1)
            ]
        )
        key, value = self.KV_M_r4(self.Encoder_M(frame.expand(objects, -1, -1, -1), mine, others)[0])
        return tuple(self._in_slots(x, objects) for x in (key, value))

    def segment(self, frame: Tensor, memory: Memory, objects: int) -> Tensor:
        """Log-odds ``(1, 11, H, W)``, of which the softmax is the probabilities."""
        r4, r3, r2 = self.Encoder_Q(frame)
        query, value = (x.expand(objects, -1, -1, -1) for x in self.KV_Q_r4(r4))
        keys, values = (x[0, 1 : objects + 1] for x in memory)
        affinity = torch.matmul(keys.flatten(2).transpose(1, 2), query.flatten(2))
        affinity = affinity / math.sqrt(query.shape[1])
        affinity = F.softmax(affinity, dim=1)
        readout = torch.matmul(values.flatten(2), affinity).view_as(value)
        del affinity
        x = torch.cat([readout, value], 1)
        scores = self.Decoder(x, r3.expand(objects, -1, -1, -1), r2.expand(objects, -1, -1, -1))
        p = F.softmax(scores, dim=1)[:, 1]
        slots = scores.new_zeros(1, SLOTS, *p.shape[1:])
        slots[0, 0] = torch.prod(1 - p, 0)
        slots[0, 1 : objects + 1] = p
        slots = slots.clamp(1e-7, 1 - 1e-7)
        return torch.log(slots / (1 - slots))

    def _in_slots(self, x: Tensor, objects: int) -> Tensor:
        slots = x.new_zeros(1, SLOTS, x.shape[1], 1, *x.shape[2:])
        slots[0, 1 : objects + 1, :, 0] = x
        return slots


def joined(memory: Memory | None, entry: Memory) -> Memory:
    """The memory with one frame more, as for every frame: all of it is copied."""
    if memory is None:
        return entry
    return tuple(torch.cat([old, new], 3) for old, new in zip(memory, entry, strict=True))


def made_up(seed: int = 0) -> PublishedSTM:
    """A network with weights drawn at random, whose features neither die away nor grow."""
    torch.manual_seed(seed)
    network = PublishedSTM().eval()
    for name, parameter in network.named_parameters():
        if parameter.ndim == 4:
            nn.init.kaiming_normal_(parameter, nonlinearity="relu")
        elif name.endswith("bn3.weight"):
            nn.init.constant_(parameter, 0.2)
    return network

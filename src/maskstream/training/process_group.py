"""Training in one process, or in several under torchrun that stay in step."""

from __future__ import annotations

import atexit
import os

import torch
from torch import Tensor, nn

RandomState = tuple[Tensor, Tensor]  #: of the two generators of a process


class Processes:
    """The processes of one training: this one alone, or torchrun's group, which it joins.

    Args:
        device: where to train. Under torchrun each process takes the GPU of its local rank.

    Attributes:
        device: of this process.
        rank: of this process; the first is 0.
        world: how many there are.
    """

    def __init__(self, device: torch.device | str) -> None:
        self.device = _own_device(device)
        self.rank, self.world = _join_group(self.device)

    def parallel(self, module: nn.Module, unused: bool) -> nn.Module:
        """A module as this process of several runs it; ``unused``: some parameters may get no gradient."""
        if self.world == 1:
            return module
        ids = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, device_ids=ids, find_unused_parameters=unused)

    def agreed(self, stop: bool) -> bool:
        """Whether any process wants to stop."""
        if self.world == 1:
            return stop
        flag = torch.tensor(float(stop), device=self.device)
        torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
        return bool(flag)

    def gathered(self, own: RandomState) -> list[RandomState]:
        """What each process has, in the order of their ranks."""
        if self.world == 1:
            return [own]
        states = [own] * self.world
        torch.distributed.all_gather_object(states, own)
        return states

    def shared_clock(self, seconds: float) -> float:
        """The first process's clock, so that all follow one schedule."""
        if self.world == 1:
            return seconds
        clock = torch.tensor(seconds, dtype=torch.float64, device=self.device)
        torch.distributed.broadcast(clock, 0)
        return float(clock)


def _join_group(device: torch.device) -> tuple[int, int]:
    """Rank and number of processes; joins torchrun's group if there is one."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0, 1
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(torch.distributed.destroy_process_group)
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def _own_device(device: torch.device | str) -> torch.device:
    device = torch.device(device)
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    return device

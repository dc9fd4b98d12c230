"""Run under torchrun: train straight through, and again with an interruption; save what each process has."""

import os
import signal
import sys
from pathlib import Path

import torch

from maskstream.training.follow import Trainer
from tests.helpers.tiny_training import LIGHT, RUN, drawn_data

torch.set_num_threads(1)
folder = Path(sys.argv[1])


def trained(name: str, stop_at: int | None = None) -> Trainer:
    trainer = Trainer(LIGHT, drawn_data(), RUN, folder / name)
    sample = trainer.sampler.sample

    def spy(*arguments):
        clips = sample(*arguments)
        if trainer.step + 1 == stop_at and trainer.rank == 1:  # one process is enough
            os.kill(os.getpid(), signal.SIGINT)
        torch.save(clips.frames, folder / f"clips-{name}-{trainer.step}-{trainer.rank}.pt")
        return clips

    trainer.sampler.sample = spy
    trainer.run()
    return trainer


through = trained("through")
interrupted = trained("resumed", stop_at=2).step
resumed = trained("resumed")
result = {
    "through": through.network.state_dict(),
    "resumed": resumed.network.state_dict(),
    "steps": [through.step, interrupted, resumed.step],
    "seconds": through.seconds,
}
torch.save(result, folder / f"rank-{through.rank}.pt")

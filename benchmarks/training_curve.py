"""Draw the loss and IoU of training runs from their ``log.jsonl``.

python benchmarks/training_curve.py runs/live/log.jsonl -o docs/images/live-training.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

WINDOW = 15  #: reports that the thick line averages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()

    figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), constrained_layout=True)
    for path in args.logs:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for axis, name in zip(axes, ("loss", "iou"), strict=True):
            points = np.array([(row["step"], row[name]) for row in rows if name in row])
            kernel = np.ones(min(WINDOW, len(points))) / min(WINDOW, len(points))
            (line,) = axis.plot(*points.T, alpha=0.25, linewidth=0.8)
            axis.plot(
                np.convolve(points[:, 0], kernel, "valid"),
                np.convolve(points[:, 1], kernel, "valid"),
                color=line.get_color(),
                label=path.parent.name,
            )
            axis.set(xlabel="step", title={"loss": "loss", "iou": "IoU on training clips"}[name])
            axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(args.output, dpi=110)


if __name__ == "__main__":
    main()

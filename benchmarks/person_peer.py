"""A live stream with MediaPipe's person segmentation in the network's place, beside maskstream's own.

    python benchmarks/person_peer.py --sizes 720 1080 --seconds 20

Both run in the same pipeline on the same drawn room, one after another in one run. An old ``mediapipe`` is
needed: 0.10.21 and before hold the network in the wheel. It knows persons only, and follows nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Any

import cv2
import numpy as np

from maskstream.background.sources import open_background
from maskstream.cli._live_bench import Measurement
from maskstream.live.capture import Capture
from maskstream.live.ladder import Rung
from maskstream.live.pipeline import LiveConfig, LivePipeline
from maskstream.live.session import LiveOptions, LiveSession
from maskstream.live.sinks import SinkRunner
from maskstream.live.slate import draw_slate
from maskstream.replacement.replacer import BackgroundReplacer, Found

SIZE = (256, 144)  #: (width, height) of the peer's network
BACKGROUND = "#204060"


def person_peer() -> Callable[[Any], Any] | None:
    """MediaPipe's network for persons, or None where it is not installed.

    Returns:
        What gives a probability ``(144, 256)``, the network's size, for a frame ``(H, W, 3)``.
    """
    try:
        module = import_module("mediapipe.python.solutions.selfie_segmentation")
    except ImportError:
        return None
    network = module.SelfieSegmentation(model_selection=1)
    # It comes enlarged to the frame's size.
    return lambda image: cv2.resize(
        network.process(image).segmentation_mask, SIZE, interpolation=cv2.INTER_AREA
    )


class PeerReplacer(BackgroundReplacer):
    """Asks another network, frame by frame."""

    def __init__(self, peer: Callable[[Any], Any]) -> None:
        super().__init__(None, open_background(BACKGROUND))
        self._peer = peer

    def find(self, frame: Any, masks: Any = None, ids: Any = None) -> Found:
        """By the peer alone."""
        return Found(np.asarray(self._peer(frame), np.float32))


def peer_stream(source: str, measurement: Measurement, peer: Callable[[Any], Any]) -> LivePipeline:
    """The pipeline of ``maskstream live`` around the peer."""
    capture = Capture(source)
    capture.wait_ready(20)
    assert capture.size is not None
    sinks = SinkRunner([measurement.sink])
    config = LiveConfig(rungs=(Rung(SIZE[1]),), rest=False)
    pipeline = LivePipeline(capture, PeerReplacer(peer), None, draw_slate(*capture.size), sinks, config)
    sinks.open(capture.size, pipeline.fps, None)
    return pipeline


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[720, 1080], metavar="LINES")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    peer = person_peer()
    if peer is None:
        raise SystemExit("no mediapipe is installed here; pip install 'mediapipe<0.10.22'")
    print("| lines | stream | frames/s | latency, ms | 95 in 100, ms | of a core |")
    print("| --: | --- | --: | --: | --: | --: |")
    for lines in args.sizes:
        source = f"test:{lines * 16 // 9 // 2 * 2}x{lines}@30"
        for name in ("maskstream", "person-only peer"):
            measurement = Measurement(args.seconds)
            if name == "maskstream":
                options = LiveOptions(
                    source=source,
                    background=BACKGROUND,
                    threads=args.threads,
                    rest=False,
                    outputs=[measurement.sink],
                )
                found = measurement.of(LiveSession(options))
            else:
                found = measurement.of(peer_stream(source, measurement, peer))
            late = " | ".join(f"{1000 * found[figure]:.0f}" for figure in ("latency", "late"))
            print(f"| {lines} | {name} | {found['rate']:.1f} | {late} | {100 * found['share']:.0f} % |")


if __name__ == "__main__":
    main()

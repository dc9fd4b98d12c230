"""Where sealed frames go: files, streams, a virtual camera, a window, a page; each in a thread of its own."""

from maskstream.live.sinks.open import open_sink
from maskstream.live.sinks.runner import SinkRunner
from maskstream.live.sinks.sink import NotYet, Sink, Traits

__all__ = ["NotYet", "Sink", "SinkRunner", "Traits", "open_sink"]

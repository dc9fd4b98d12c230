"""A live stream before another background: capture, pipeline, sinks, and the guard that lets no room out."""

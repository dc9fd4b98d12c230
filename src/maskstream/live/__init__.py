"""Live background replacement: capture, pipeline, sinks, and the guard that hides the real room."""

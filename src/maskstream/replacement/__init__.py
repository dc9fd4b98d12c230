"""From frames and masks to frames before another background: the per-frame core, and a pipeline for files."""

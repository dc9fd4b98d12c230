"""Replace backgrounds, given frames and masks: the per-frame core, and a pipeline for files."""

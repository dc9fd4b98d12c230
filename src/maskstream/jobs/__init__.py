"""Work on whole files, from options to outputs: segment a video, replace a background."""

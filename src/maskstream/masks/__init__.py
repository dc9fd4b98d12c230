"""Label maps in and out: palette PNG, every common mask format, run-length codes, pictures of them."""

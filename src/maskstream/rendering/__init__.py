"""Training clips of 3-D bodies, rendered with true label maps; needs the extra ``render``."""

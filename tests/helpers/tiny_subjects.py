"""A network that finds subjects, small enough to be trained in a test."""

from maskstream.network.subject_config import SubjectConfig

TINY = SubjectConfig(
    name="tiny",
    trunk_widths=(4, 8, 8, 16),
    trunk_depths=(0, 1, 1, 1),
    context_width=16,
    context_depth=1,
    aspp_width=4,
    decoder_width=(8, 8, 4),
)

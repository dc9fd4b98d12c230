from pathlib import Path

import pytest

from tests.helpers.tiny_clips import ClipMaker, clip_maker


@pytest.fixture
def make_clip(tmp_path: Path) -> ClipMaker:
    return clip_maker(tmp_path)

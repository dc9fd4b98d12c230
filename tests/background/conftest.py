from pathlib import Path

import pytest

from tests.helpers.numbered_clips import ClipMaker, clip_maker


@pytest.fixture
def numbered_clip(tmp_path: Path) -> ClipMaker:
    return clip_maker(tmp_path / "clip.mp4")

"""The examples of docs/python.md run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import maskstream
from maskstream.masks.palette import write_label_map
from maskstream.runtime import load
from maskstream.streaming import ensemble, segmenter
from tests.helpers.colour_runtime import ColourRuntime, scene

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_every_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for home in (load, segmenter, ensemble):  # the examples are on trial here, not the network's weights
        monkeypatch.setattr(home, "load_model", lambda *_, **__: ColourRuntime())
    frames = [scene({1: (index, 1), 2: (2, index)}, 64, 96) for index in range(3)]
    with maskstream.VideoWriter("clip.mp4", fps=25) as writer:
        for image, _ in frames:
            writer.write(image)
    write_label_map("first.png", frames[0][1].astype(np.uint8))

    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) >= 5
    exec("\n".join(examples), {})
    assert sorted(path.name for path in tmp_path.glob("0*.png")) == ["00000.png", "00001.png", "00002.png"]


def test_the_face_of_the_package_names_what_is_there_and_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    heavy = "{'numpy', 'cv2', 'av', 'onnxruntime', 'torch'}"
    code = f"import sys, maskstream; dir(maskstream); assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    for name in maskstream.__all__:
        assert getattr(maskstream, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nonesuch'"):
        maskstream.nonesuch  # noqa: B018

"""The report page: everything it shows exists, names are safe, and the worst is in front."""

import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from maskstream.datasets.sequences import open_sequences, with_images
from maskstream.errors import InputError
from maskstream.scoring.attention import AttentionRecorder, read_attention
from maskstream.scoring.evaluation_report import ReportSource, heated, outlined, write_report
from maskstream.scoring.score_folder import ResultFiles, score_folder
from tests.helpers.label_folders import moving, write_davis, write_sequence


@pytest.fixture
def source(tmp_path):
    """Two sequences; in "b<d" the object is lost in frames 3 and 4 of 8."""
    truth = {"good": moving((1, 2), frames=8), "b<d": moving((1,), frames=8)}
    write_davis(tmp_path / "DAVIS", truth)
    for name, label_maps in truth.items():
        lost = [m * 0 if name == "b<d" and t in (3, 4) else m for t, m in enumerate(label_maps)]
        write_sequence(tmp_path / "results" / name, lost)
    found = open_sequences(tmp_path / "DAVIS", with_images=True)
    results = ResultFiles(tmp_path / "results")
    scores = score_folder(found, tmp_path / "results")
    return ReportSource(
        scores, found, results, {"model": "<live>"}, {"copy first": scores}, None, {"good": 7.0}
    )


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.pictures, self.tags = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "img":
            self.pictures.append(dict(attributes)["src"])


def test_the_page_stands_alone_and_shows_what_is_there(source, tmp_path: Path) -> None:
    page = write_report(tmp_path / "report", source)
    text = page.read_text()
    parsed = Page(text)
    assert parsed.pictures
    for picture in parsed.pictures:
        assert Image.open(page.parent / picture).width == 60
    assert {"script", "link"}.isdisjoint(parsed.tags)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert parsed.tags.count("svg") == 2
    assert "b<d" not in text
    assert "b&lt;d" in text
    assert "&lt;live&gt;" in text


def test_the_worst_frames_come_first_and_are_marked(source, tmp_path: Path) -> None:
    text = write_report(tmp_path / "report", source).read_text()
    captions = re.findall("<figcaption>(.*?)</figcaption>", text)
    assert captions[0] == "b&lt;d 00003: J 0.00"
    curve = ElementTree.parse(tmp_path / "report/curves/001.svg").getroot()
    assert len([line for line in curve.iter() if "stroke-dasharray" in line.attrib]) == 3
    (line,) = [each for each in curve.iter() if each.tag.endswith("polyline")]
    assert len(line.attrib["points"].split()) == 6


def test_the_markdown_has_the_same_table_and_pictures(source, tmp_path: Path) -> None:
    write_report(tmp_path / "report", source)
    text = (tmp_path / "report/report.md").read_text()
    assert "| mean of 3 |" in text
    for picture in re.findall(r"\]\((.*?)\)", text):
        assert (tmp_path / "report" / picture).is_file()


def test_an_older_report_is_replaced_and_nothing_else(source, tmp_path: Path) -> None:
    write_report(tmp_path / "report", source)
    (tmp_path / "report/pictures/old.jpg").write_bytes(b"")
    write_report(tmp_path / "report", source)
    assert not (tmp_path / "report/pictures/old.jpg").exists()
    with pytest.raises(InputError, match="no report"):
        write_report(tmp_path / "results", source)
    assert (tmp_path / "results/good").is_dir()


def test_images_are_found_in_other_folders(source, tmp_path: Path) -> None:
    masks = open_sequences(tmp_path / "DAVIS")
    assert not masks.sequences[0].images
    for root in (tmp_path / "DAVIS", tmp_path / "DAVIS/JPEGImages/480p"):
        assert len(with_images(masks, root).sequences[0].images) == 8
    bare = open_sequences(tmp_path / "results")
    assert not with_images(bare, tmp_path / "results").sequences[0].images


def test_the_outline_is_white_on_black_and_nothing_else_changes() -> None:
    label_map = moving((1,))[0]
    picture = outlined(np.full((40, 60, 3), 90, np.uint8), label_map)
    colours = {tuple(pixel) for pixel in picture.reshape(-1, 3).tolist()}
    assert colours == {(0, 0, 0), (90, 90, 90), (255, 255, 255)}
    assert (picture[30:] == 90).all()


def test_heat_rises_with_attention_and_where_nobody_looked_it_is_grey() -> None:
    attention = np.tile(np.linspace(0, 1, 60, dtype=np.float32), (40, 1))
    attention[:20] = np.nan
    picture = heated(np.full((40, 60, 3), 100, np.uint8), attention)
    brightness = picture[30].sum(axis=1).astype(int)
    assert (np.diff(brightness) >= -6).all()
    assert brightness[-1] > 2 * brightness[0]
    assert (picture[:20] == 50).all()


@pytest.mark.torch
def test_attention_is_recorded_and_put_where_the_network_looked(tmp_path: Path) -> None:
    import torch

    from maskstream.network.spatial import SpatialConstraint

    module = SpatialConstraint(4)
    with torch.no_grad():
        module.gate.weight.zero_()
        module.gate.weight[:, -1, 1, 1] = 20
        module.gate.bias.fill_(-10)
    mask = torch.zeros(1, 1, 2, 3)
    mask[..., 1, 2] = 1
    seen = SimpleNamespace(low_res=np.zeros((1, 30, 40)), seen=np.s_[10:40, 20:60])
    with AttentionRecorder(module) as recorder, torch.inference_mode():
        recorder.end_frame("00000", seen)  # nothing was asked of the network
        module(torch.zeros(1, 4, 2, 3), mask)
        recorder.end_frame("00001", seen)
        recorder.save(tmp_path / "a.npz")
    module(torch.zeros(1, 4, 2, 3), mask)
    recorder.end_frame("00002", seen)
    assert read_attention(tmp_path / "a.npz", "00000", (50, 70)) is None
    attention = read_attention(tmp_path / "a.npz", "00001", (50, 70))
    assert np.isnan(attention[:10]).all()
    assert np.isnan(attention[:, 60:]).all()
    assert attention[12, 22] < 0.01
    assert attention[38, 58] > 0.99
    assert read_attention(tmp_path / "none.npz", "00001", (50, 70)) is None

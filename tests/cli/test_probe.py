"""What the probe command says of files, and that it comes true."""

import json
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from maskstream.cli.__main__ import main
from maskstream.video.read import read_video
from maskstream.video.write import VideoWriter

MILLISECOND = Fraction(1, 1000)


def probe(capsys, *options):
    """Exit code and what is printed."""
    code = main(["probe", *map(str, options)])
    return code, capsys.readouterr().out


def clip(path, times=(0, 40, 80, 120), sounds=0, size=(64, 48), pixel_format="yuv420p", rotation=0):
    """A small file of frames at these ms, with tracks of sound, two chapters and a title."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        stream.time_base = stream.codec_context.time_base = MILLISECOND
        stream.codec_context.max_b_frames = 0
        if rotation:
            stream.set_display_rotation(rotation)
        container.metadata["title"] = "My film"
        chapters = [
            {
                "id": 1 + i,
                "start": 80 * i,
                "end": 80 * i + 80,
                "time_base": MILLISECOND,
                "metadata": {"title": f"Part {i}"},
            }
            for i in range(2)
        ]
        container.set_chapters(chapters)
        tracks = [container.add_stream("aac", rate=48000, layout="stereo") for _ in range(sounds)]
        for track, language in zip(tracks, ("fra", "eng"), strict=False):
            track.metadata["language"] = language
        for index, time in enumerate(times):
            image = np.full((size[1], size[0], 3), 20 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = time, MILLISECOND
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for track in tracks:
            for index in range(8):
                part = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
                part.rate, part.pts, part.time_base = 48000, 1024 * index, Fraction(1, 48000)
                container.mux(track.encode(part))
            container.mux(track.encode(None))
    return path


def test_a_file_is_described_with_what_is_kept_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = clip(tmp_path / "talk.mp4", sounds=2)
    code, said = probe(capsys, path)
    assert code == 0
    head, kept = said.split("written to talk-out.mp4 (.mp4):\n")
    for part in (
        f"{path}: QuickTime / MOV",
        "picture: 64x48, h264, yuv420p (8 bits)",
        "untagged matrix, taken as BT.601",
        "frames: 4 in 0:00:00.160, 25 a second",
        "audio stream 1 (aac, fra)",
        "audio stream 2 (aac, eng)",
        'chapter: 0:00:00.000 to 0:00:00.080 "Part 0"',
        "title: My film",
    ):
        assert part in head
    assert kept == (
        "  picture: encoded anew by libx264\n"
        "  audio stream 1 (aac, fra): copied\n"
        "  audio stream 2 (aac, eng): copied\n"
        "  data stream 3 (bin_data, eng): copied: the chapters\n"
        "  chapters: kept\n"
        "  metadata: kept\n"
    )


def test_what_it_says_of_another_kind_of_file_comes_true(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    path = clip(tmp_path / "talk.mp4", sounds=2)
    _, said = probe(capsys, path, "-o", tmp_path / "talk.webm")
    assert "audio stream 1 (aac, fra): re-encoded to opus: a WebM file can't hold aac" in said
    _, found = probe(capsys, path, "-o", tmp_path / "talk.webm", "--json")
    with (
        read_video(path) as reader,
        VideoWriter(tmp_path / "talk.webm", reader.info, keep_from=path) as writer,
    ):
        for frame in reader:
            writer.write(frame.image, frame.time, frame.duration)
    streams = json.loads(found)["output"]["streams"]
    kept = [s for s in streams if s["fate"] in ("copied", "re-encoded") and s["kind"] != "data"]
    _, after = probe(capsys, tmp_path / "talk.webm", "--json")
    assert len(json.loads(after)["output"]["streams"]) == 1 + len(kept)
    assert len(caplog.records) == sum(s["fate"] in ("re-encoded", "left out") for s in streams) == 2
    assert json.loads(after)["chapters"] == json.loads(found)["chapters"]


def test_a_varying_frame_rate_is_told_from_rounded_time_stamps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, said = probe(capsys, clip(tmp_path / "a.mkv", (0, 33, 67, 100, 133, 167)))
    assert "varies" not in said
    _, said = probe(capsys, clip(tmp_path / "b.mkv", (0, 20, 120, 130)))
    assert "on average; the rate varies from 10 to 100" in said


def test_changes_of_the_picture_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = clip(tmp_path / "a.mkv", size=(63, 47), pixel_format="yuv444p10le")
    _, said = probe(capsys, path, "-o", "b.mp4")
    assert "encoded anew by libx264; 10 bits become 8; made 64x48 by repeating its last column or row" in said
    _, said = probe(capsys, clip(tmp_path / "b.mp4", rotation=90))
    assert "picture: 48x64" in said
    assert "shown: turned by 270 degrees" in said
    assert "encoded anew by libx264; turned upright" in said


def test_alpha_that_is_not_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.webm", "a.mov"):
        with VideoWriter(tmp_path / name, alpha=True) as writer:
            writer.write(np.zeros((48, 64, 3), np.uint8), alpha=np.zeros((48, 64), np.uint8))
        assert "its alpha is not read" in probe(capsys, tmp_path / name)[1]
    assert "its alpha" not in probe(capsys, clip(tmp_path / "b.mp4"))[1]


def test_pictures_keep_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, said = probe(capsys, clip(tmp_path / "talk.mp4", sounds=1), "-o", "pictures")
    kept = said.split("written to pictures (a folder of PNGs):\n")[1].splitlines()
    assert kept[0] == "  picture: encoded anew by png"
    assert all("left out" in line for line in kept[1:])
    assert len(kept) == 5


def test_a_folder_of_images_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.zeros((48, 64, 3), np.uint8))
    code, said = probe(capsys, tmp_path)
    assert code == 0
    assert "folder of images" in said
    assert "frames: 3 images" in said
    assert probe(capsys, tmp_path, "--json")[0] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["none.mp4"], "none.mp4: no such file or folder"),
        (["text.mp4"], "text.mp4: not a readable video"),
        (["a.mp4", "-o", "b.avi"], "b.avi: can't write this kind of video"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options, said
) -> None:
    monkeypatch.chdir(tmp_path)
    clip(Path("a.mp4"))
    Path("text.mp4").write_text("no video")
    assert main(["probe", *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_json_is_plain_and_complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, said = probe(capsys, clip(tmp_path / "a.mp4", (0, 20, 120, 130), sounds=1), "--json")
    found = json.loads(said)
    assert found["picture"]["frames"] == 4
    assert found["picture"]["frame_rate_varies"] is True
    assert found["metadata"]["title"] == "My film"
    assert [c["title"] for c in found["chapters"]] == ["Part 0", "Part 1"]
    assert [s["fate"] for s in found["output"]["streams"]] == ["encoded anew", "copied", "copied"]


def test_the_command_starts_without_heavy_imports(heavy_imports) -> None:
    assert "av" not in heavy_imports("import maskstream.cli.probe")

"""What is secret in an address is never shown."""

from collections.abc import Callable
from pathlib import Path

import pytest

from maskstream.addresses import without_secrets
from maskstream.background.sources import open_background
from maskstream.drawn_clips import draw_clip
from maskstream.errors import InputError
from maskstream.jobs.segment import segment_video
from maskstream.masks.read import read_label_map
from maskstream.video.probe import probe
from maskstream.video.write import VideoWriter


@pytest.mark.parametrize(
    "address",
    [
        "rtmp://a.example/live/SECRET",
        "rtmps://user:SECRET@a.example/live/SECRET?token=SECRET",
        "rtsp://user:SECRET@SECRET@a.example:554/1",
        "rtsp://user:SE/CRET@a.example/1",
        "rtsp://user:SEC?RET@a.example/1",
        "rtsp://user:SEC#RET@a.example/1",
        "ftp://user:SECRET@a.example/SECRET/talk.mp4",
        "http://a.example/1?key=SECRET#SECRET",
        "SRT://SECRET@a.example:9000?passphrase=SECRET",
    ],
)
def test_passwords_and_keys_go_and_the_host_stays(address):
    shown = without_secrets(address)
    assert "a.example" in shown
    assert not any(part in shown for part in ("SE", "CRET", "RET@", "user"))


@pytest.mark.parametrize("name", ["beach.jpg", "10:30.mp4", "blur", "#00ff00", "a@b.png", "C:/x@y.png"])
def test_what_is_no_address_stays(name):
    assert without_secrets(name) == name


@pytest.mark.parametrize(
    "name", ["ftp://user:geheim@host/geheim.mp4", "https://u:ge@heim@host/a.mp4?token=geheim"]
)
def test_where_files_are_read_or_written_an_address_is_refused_without_its_secrets(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with VideoWriter("clip.mp4", fps=24) as writer:
        for frame, _ in draw_clip(2, 32, 32):
            writer.write(frame)
    given: tuple[Callable[[], object], ...] = (
        lambda: probe(name),
        lambda: probe(Path(name)),  # which takes a slash
        lambda: read_label_map(name),
        lambda: open_background(name),
        lambda: segment_video("clip.mp4", name),
        lambda: segment_video(name, "out"),
    )
    for call in given:
        with pytest.raises(InputError, match="is an address") as refused:
            call()
        assert "heim" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_path_with_a_colon_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "12:").mkdir()
    (tmp_path / "a:").mkdir()
    for name in ("10:30.mp4", "12:/x.mp4", "a:/b.mp4"):
        with pytest.raises(InputError, match="no such file"):
            probe(name)

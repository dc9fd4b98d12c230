"""What is secret in an address is never shown."""

import pytest

from maskstream.addresses import without_secrets


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

"""Addresses of streams as they may be shown: without passwords and keys."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/*(.*)", re.DOTALL)
_KEYED = ("rtmp", "rtmps", "ftp", "ftps", "sftp")  #: whose paths may be keys, or private

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/+[^/]")  # a drive's letter is none


def is_address(text: str) -> bool:
    """Whether a text looks like the address of a stream, also after a path has taken one of its slashes.

    Example:
        >>> is_address("https://host/a.mp4"), is_address("ftp:/host/a.mp4"), is_address("C:/clips/a.mp4")
        (True, True, False)
    """
    return _SCHEME.match(text) is not None


def without_secrets(address: str) -> str:
    """An address without what may be secret in it; anything else as it is.

    Names and passwords go, up to the last ``@`` however it was written; what follows ``?`` or ``#``; and the
    paths of protocols in which they may be keys (``rtmp://host/app/KEY``).

    Example:
        >>> without_secrets("rtmp://user:p@ss@live.example/app/secret-key")
        'rtmp://live.example/...'
        >>> without_secrets("http://camera.local/video.mjpg?token=secret")
        'http://camera.local/video.mjpg'
        >>> without_secrets("rtsp://admin:1/2@3@camera.local:554/1")
        'rtsp://camera.local:554/1'
        >>> without_secrets("beach.jpg")
        'beach.jpg'
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or not is_address(address):
        return address
    scheme, rest = found[1], found[2].rpartition("@")[2]
    host, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    if slash and path and scheme.lower() in _KEYED:
        path = "..."
    return f"{scheme}://{host}{slash}{path}"

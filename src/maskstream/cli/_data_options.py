"""The options that name data to train on, the same for all commands that train."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskstream.datasets.sources import DataFolders


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that name data."""
    data = parser.add_argument_group("data (each may be given several times)")
    for name, what in (
        ("--data", "of video-train*, video-dev*, static*, backgrounds*, matte* tars or folders"),
        ("--davis", "DAVIS 2017, its root"),
        ("--youtube-vos", "YouTube-VOS, its root"),
        ("--videos", "of JPEGImages/<sequence> and Annotations/<sequence>"),
        ("--static", "of images with masks beside them"),
    ):
        data.add_argument(name, action="append", type=Path, default=[], metavar="FOLDER", help=what)
    data.add_argument(
        "--coco",
        nargs=2,
        action="append",
        type=Path,
        default=[],
        metavar=("IMAGES", "JSON"),
        help="COCO images and their instances file",
    )
    data.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="to keep packed data in, for quick restarts"
    )


def data_folders(args: argparse.Namespace) -> DataFolders:
    """What the options name."""
    from maskstream.datasets.sources import DataFolders

    return DataFolders(
        tuple(args.data),
        tuple(args.davis),
        tuple(args.youtube_vos),
        tuple(args.videos),
        tuple(args.static),
        tuple((images, instances) for images, instances in args.coco),
    )

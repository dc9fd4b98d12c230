"""``maskstream render``: clips of 3-D bodies, with true masks, to train on."""

from __future__ import annotations

import argparse
from pathlib import Path

from maskstream.cli._progress import progress, say

NAME = "render"
HELP = "render clips of 3-D bodies that turn, bend and meet, with true masks, to train on"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="of the clips, for train --videos"
    )
    parser.add_argument("--clips", type=int, default=500, metavar="N", help="how many in all (500)")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="with static* and backgrounds*, whose photographs are places and surfaces",
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed renders other clips (0)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="JSON with fields of RenderConfig")


def run(args: argparse.Namespace) -> int:
    """Render what the folder doesn't hold yet."""
    from contextlib import closing

    from maskstream.datasets.collection import open_data_folder
    from maskstream.errors import InputError
    from maskstream.plain_data import from_plain, read_json
    from maskstream.rendering.config import RenderConfig
    from maskstream.rendering.folder import ClipFolder
    from maskstream.rendering.stage import bullet
    from maskstream.rendering.surfaces import Photographs

    if args.clips < 1 or args.seed < 0:
        raise InputError(
            f"--clips {args.clips} --seed {args.seed}; give 1 clip or more, and a seed from 0 up"
        )
    config = RenderConfig()
    if args.config:
        config = from_plain(RenderConfig, read_json(args.config), str(args.config))
    bullet()
    folder = ClipFolder(args.output, config, args.seed)
    missing = folder.missing(args.clips)
    photographs = Photographs(open_data_folder(args.data))
    done = args.clips - len(missing)
    with closing(
        progress(folder.render(missing, photographs), "rendering", args.clips, done=done, quiet=args.quiet)
    ) as shown:
        for _ in shown:
            pass
    say(f"{args.clips} clips: {args.output}", args.quiet)
    return 0

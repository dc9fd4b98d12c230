"""Draw the moving picture at the top of the README: a real clip, followed and in front of other backgrounds.

    python tools/hero.py --data "$MASKSTREAM_DATA" -o docs/images/hero.webp

The clip is `clips/person-yellow-screen.mp4` of the data folder (CC0). Its subject is detected automatically;
the backgrounds are drawn here.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import maskstream
from maskstream.files import written_beside

SCALE = 1.5  #: of the clip's pixels
FIRST, LAST, STEP = 128, 208, 2  # frames of the clip
GAP, CAPTION = 8, 26  # pixels between pictures, and below each
QUALITY = 72
INK, PAPER = (90, 98, 106), (255, 255, 255)


def main() -> None:
    """Follow, replace, put side by side, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that MASKSTREAM_DATA names")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/images/hero.webp"))
    args = parser.parse_args()
    clip = args.data / "clips" / "person-yellow-screen.mp4"
    columns = [("talk.mp4", list(frames_of(clip)))]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name, picture in (("beach", beach()), ("city", city())):
            Image.fromarray(picture).save(work / f"{name}.png")
            maskstream.replace_background(
                clip,
                maskstream.BackgroundOptions(str(work / f"{name}.png")),
                work / f"{name}.mp4",
                matte=maskstream.MatteConfig(shift=-0.5, spill=1.0),
                composite=maskstream.CompositeConfig(light_wrap=0.3, match_colour=0.35),
                crf=8,
            )
            columns.append((f"--background {name}.jpg", list(frames_of(work / f"{name}.mp4"))))
    sheets = [sheet([(text, frames[i]) for text, frames in columns]) for i in range(len(columns[0][1]))]
    sheets = sheets[::-1] + sheets[1:-1]  # back and forth, so that the loop has no seam
    images = [Image.fromarray(picture) for picture in sheets]
    with written_beside(args.output) as part:
        images[0].save(
            part,
            "WEBP",
            save_all=True,
            append_images=images[1:],
            duration=1000 * STEP // 30,
            loop=0,
            quality=QUALITY,
            method=6,
        )
    print(f"{args.output}: {len(images)} pictures, {args.output.stat().st_size / 1e6:.2f} MB")


def frames_of(path: Path):
    """The frames that are shown, enlarged: ``(H, W, 3)`` uint8 RGB."""
    with maskstream.read_video(path, start=FIRST, end=LAST, every=STEP) as frames:
        for frame in frames:
            yield cv2.resize(frame.image, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC)


def sheet(columns: list[tuple[str, np.ndarray]]) -> np.ndarray:
    """Pictures side by side, each with a caption below."""
    height, width = columns[0][1].shape[:2]
    canvas = Image.new("RGB", (len(columns) * width + (len(columns) - 1) * GAP, height + CAPTION), PAPER)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(15)
    for index, (text, picture) in enumerate(columns):
        left = index * (width + GAP)
        canvas.paste(Image.fromarray(picture), (left, 0))
        draw.text((left + width / 2, height + CAPTION / 2), text, INK, font, anchor="mm")
    return np.asarray(canvas)


def beach(height: int = 576, width: int = 960) -> np.ndarray:
    """A beach at sunset, out of focus: ``(H, W, 3)`` uint8 RGB."""
    generator = np.random.default_rng(7)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / height
    picture = gradient(y / 0.62, [(58, 92, 150), (150, 140, 170), (244, 170, 120), (255, 214, 150)])
    sun = np.exp(-(((x - 1.24) ** 2 + (y - 0.5) ** 2) / 0.004))[..., None]
    glow = np.exp(-(((x - 1.24) ** 2 + (y - 0.5) ** 2) / 0.09))[..., None]
    picture = picture + 70 * glow * np.array([1, 0.7, 0.35], np.float32) + 190 * sun
    clouds = fog(generator, height, width, 5) * np.clip(1 - y / 0.55, 0, 1)
    picture = picture + 70 * clouds[..., None] * np.array([1, 0.78, 0.7], np.float32)
    sea = gradient((y - 0.62) / 0.2, [(216, 160, 130), (70, 110, 140), (44, 98, 128)])
    ripples = fog(generator, height, width, 60)
    ripples = cv2.resize(ripples[::4], (width, height))[..., None]
    path = np.exp(-(((x - 1.24) / 0.16) ** 2))[..., None]
    sea = sea + 30 * (ripples - 0.5) + 330 * path * np.clip(ripples - 0.45, 0, 1) * np.array([1, 0.8, 0.5])
    picture = np.where((y > 0.62)[..., None], sea, picture)
    shore = 0.82 + 0.02 * np.sin(5 * x + 0.6) + 0.006 * np.sin(17 * x)
    sand = gradient((y - 0.8) / 0.2, [(150, 118, 92), (222, 184, 136), (206, 164, 116)])
    sand = sand + 26 * (fog(generator, height, width, 90)[..., None] - 0.5)
    picture = np.where((y > shore)[..., None], sand, picture)
    foam = np.exp(-(((y - shore) / 0.008) ** 2))[..., None]
    picture = picture * (1 - 0.75 * foam) + 250 * 0.75 * foam
    return out_of_focus(picture, 2.5)


def city(height: int = 576, width: int = 960) -> np.ndarray:
    """A city at night behind a window, its lights out of focus: ``(H, W, 3)`` uint8 RGB."""
    generator = np.random.default_rng(3)
    y = np.mgrid[0:height, 0:width][0].astype(np.float32) / height
    picture = gradient(y, [(14, 18, 42), (34, 38, 84), (96, 62, 110), (30, 26, 48)])
    for depth, dark in ((0.46, 1.0), (0.6, 0.6)):
        edge = 0
        while edge < width:
            broad, top = int(generator.integers(50, 130)), int(height * depth * generator.uniform(0.6, 1.1))
            picture[top:, edge : edge + broad] = dark * generator.integers((26, 28, 52), (44, 46, 80))
            edge += broad
    lights = np.zeros_like(picture)
    colours = np.array([(255, 196, 110), (255, 226, 170), (255, 120, 80), (120, 190, 255), (255, 150, 190)])
    for _ in range(170):
        at = (int(generator.uniform(0, width)), int(height * generator.uniform(0.36, 1)))
        radius = int(generator.uniform(5, 20) * (0.5 + at[1] / height))
        disc = np.zeros(picture.shape[:2], np.uint8)
        cv2.circle(disc, at, radius, 255, -1, cv2.LINE_AA)
        rim = cv2.circle(np.zeros_like(disc), at, radius, 255, 2, cv2.LINE_AA)
        colour = colours[generator.integers(len(colours))] * generator.uniform(0.15, 0.6)
        lights += (disc[..., None] / 255 + 0.5 * rim[..., None] / 255) * colour
    return out_of_focus(picture + lights, 1.6)


def gradient(along: np.ndarray, colours: list[tuple[int, int, int]]) -> np.ndarray:
    """``(H, W)`` 0..1 to ``(H, W, 3)`` along some colours."""
    stops = np.linspace(0, 1, len(colours))
    channels = [np.interp(along, stops, channel) for channel in zip(*colours, strict=True)]
    return np.stack(channels, -1).astype(np.float32)


def fog(generator: np.random.Generator, height: int, width: int, cells: int) -> np.ndarray:
    """``(H, W)`` 0..1: smooth noise, the coarsest with so many cells across."""
    total = np.zeros((height, width), np.float32)
    for octave in range(4):
        side = cells * 2**octave
        grid = generator.random((max(2, side * height // width), side)).astype(np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) / 2**octave
    low, high = np.percentile(total, [2, 98])
    return np.clip((total - low) / (high - low), 0, 1)


def out_of_focus(picture: np.ndarray, sigma: float) -> np.ndarray:
    """A little blurred, as what is behind a sharp subject is."""
    return cv2.GaussianBlur(np.clip(picture, 0, 255).astype(np.uint8), (0, 0), sigma)


if __name__ == "__main__":
    main()

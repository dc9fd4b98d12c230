import dataclasses
import logging

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra: pip install 'maskstream[train]'")

from maskstream.clips.packing import pack_images, pack_videos  # noqa: E402
from maskstream.datasets.readers import LabelledFrame, LabelledImage, LabelledVideo, ReadingReport  # noqa: E402
from maskstream.errors import InputError  # noqa: E402

pytestmark = pytest.mark.torch


def loader(labels, value=100):
    labels = np.asarray(labels, np.uint8)
    return lambda: (np.full((*labels.shape, 3), value, np.uint8), labels)


def broken():
    raise InputError("broken: cannot be decoded")


def half(width=40, height=20, number=1):
    labels = np.zeros((height, width), np.uint8)
    labels[:, width // 2 :] = number
    return labels


def speck():
    labels = np.zeros((64, 64), np.uint8)
    labels[0, 0] = 1
    return labels


def video(name, count, first=0, step=1, bad=()):
    frames = (
        LabelledFrame(f"{name}/{n}", broken if n in bad else loader(half(), value=first + n), "1")
        for n in range(count)
    )
    return LabelledVideo(name, step, tuple(frames))


class TestPackImages:
    def test_pixels_labels_and_aspect_are_kept(self):
        packed = pack_images([LabelledImage("s/1", loader(half(number=3)), paste_only=True)], 16)
        assert packed.images.shape == (1, 3, 16, 16)
        assert packed.images.unique().tolist() == [100]
        assert packed.labels[0, 5].tolist() == [0] * 8 + [3] * 8
        assert packed.aspect.tolist() == [2.0]
        assert packed.paste_only.tolist() == [True]
        assert packed.names == ("s/1",)

    def test_fine_patterns_do_not_alias(self):
        rgb = np.zeros((64, 64, 3), np.uint8)
        rgb[:, ::2] = 200
        packed = pack_images([LabelledImage("s/1", lambda: (rgb, np.ones((64, 64), np.uint8)))], 16)
        assert (packed.images[0, :, :, 2:-2].float() - 100).abs().max() <= 5

    def test_void_is_never_blended_into_ids(self):
        labels = half()
        labels[:, 15:25] = 255
        packed = pack_images([LabelledImage("s/1", loader(labels))], 16)
        assert packed.labels.unique().tolist() == [0, 1, 255]

    def test_broken_and_emptied_images_are_named_and_the_rest_keeps_its_order(self, caplog):
        items = [
            LabelledImage("s/1", loader(half(), 1)),
            LabelledImage("broken", broken),
            LabelledImage("s/3", loader(speck())),
            LabelledImage("s/4", loader(half(), 4)),
        ]
        report = ReadingReport()
        packed = pack_images(items, 8, report=report)
        assert packed.names == ("s/1", "s/4")
        assert packed.images[:, 0, 0, 0].tolist() == [1, 4]
        assert [name for name, _ in report.problems] == ["broken", "s/3"]
        assert "broken" in caplog.text

    def test_backgrounds_stay_though_empty(self):
        items = [LabelledImage("b/1", loader(np.zeros((8, 8))))]
        assert len(pack_images(items, 8, keep_empty=True)) == 1
        with pytest.raises(InputError, match="none of 1 images"):
            pack_images(items, 8)

    def test_a_set_moves_with_its_names(self):
        packed = pack_images([LabelledImage("s/1", loader(half()))], 8)
        moved = packed.to("meta")
        assert moved.images.device.type == moved.paste_only.device.type == "meta"
        assert moved.names == packed.names


class TestPackVideos:
    def test_videos_lie_one_after_another(self):
        packed = pack_videos([video("a", 3, first=10), video("b", 4, first=50, step=5)], 8, 12)
        assert packed.frames.shape == (7, 3, 8, 12)
        assert packed.labels.shape == (7, 8, 12)
        assert packed.start.tolist() == [0, 3]
        assert packed.length.tolist() == [3, 4]
        assert packed.step.tolist() == [1, 5]
        assert packed.frames[packed.start[1], 0, 0, 0] == 50
        assert packed.aspect.tolist() == [2.0, 2.0]
        assert packed.names == ("a", "b")

    def test_broken_frames_go_and_videos_left_too_short_go_with_them(self):
        videos = [video("a", 3, first=10, bad=[1]), video("b", 4, first=50, bad=[0])]
        report = ReadingReport()
        packed = pack_videos(videos, 8, 12, report=report)
        assert packed.names == ("b",)
        assert packed.start.tolist() == [0]
        assert packed.frames[:, 0, 0, 0].tolist() == [51, 52, 53]
        assert [name for name, _ in report.problems] == ["a/1", "b/0", "a"]

    def test_frames_without_an_object_stay(self):
        clip = video("a", 3)
        gone = LabelledFrame("a/3", loader(np.zeros((20, 40))))
        packed = pack_videos([dataclasses.replace(clip, frames=(*clip.frames, gone))], 8, 12)
        assert packed.length.tolist() == [4]


class TestCache:
    @pytest.fixture
    def items(self):
        return [
            LabelledImage("s/1", loader(half()), stamp="10"),
            LabelledImage("s/2", broken, stamp="20"),
        ]

    @pytest.fixture
    def cache(self, tmp_path):
        return tmp_path / "sub" / "images.pt"

    def test_a_second_packing_decodes_nothing_and_tells_the_same(self, items, cache):
        first = pack_images(items, 8, cache=cache)
        undecodable = [dataclasses.replace(item, load=broken) for item in items]
        report = ReadingReport()
        second = pack_images(undecodable, 8, cache=cache, report=report)
        assert torch.equal(first.images, second.images)
        assert second.names == ("s/1",)
        assert [name for name, _ in report.problems] == ["s/2"]
        assert [path.name for path in cache.parent.iterdir()] == ["images.pt"]

    @pytest.mark.parametrize(
        "change",
        [{"name": "s/9"}, {"stamp": "11"}, {"paste_only": True}],
        ids=lambda change: next(iter(change)),
    )
    def test_other_items_are_packed_anew(self, items, cache, change, caplog):
        pack_images(items, 8, cache=cache)
        changed = dataclasses.replace(items[0], load=loader(half(), 77), **change)
        with caplog.at_level(logging.INFO):
            packed = pack_images([changed], 8, cache=cache)
        assert packed.images.unique().tolist() == [77]
        assert "packing again" in caplog.text

    def test_another_size_is_packed_anew(self, items, cache):
        pack_images(items, 8, cache=cache)
        assert pack_images(items, 12, cache=cache).images.shape[-1] == 12

    def test_videos_are_cached_too(self, cache):
        first = pack_videos([video("a", 3)], 8, 12, cache=cache)
        second = pack_videos([video("a", 3, first=99)], 8, 12, cache=cache)
        assert torch.equal(first.frames, second.frames)
        assert pack_videos([video("a", 3, first=99, step=5)], 8, 12, cache=cache).frames.min() == 99

    def test_a_file_that_is_no_cache_is_not_overwritten(self, items, cache):
        cache.parent.mkdir()
        cache.write_bytes(b"precious")
        with pytest.raises(InputError, match=r"images\.pt"):
            pack_images(items, 8, cache=cache)
        assert cache.read_bytes() == b"precious"

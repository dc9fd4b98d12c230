import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskstream.datasets.coco import coco_images
from maskstream.datasets.collection import DEVELOPMENT, open_data_folder
from maskstream.datasets.davis import davis_videos
from maskstream.datasets.file_index import index_files
from maskstream.datasets.folders import background_images, folder_videos, matte_images, static_images
from maskstream.datasets.readers import ReadingReport, read_labels
from maskstream.datasets.youtube_vos import youtube_vos_videos
from maskstream.errors import InputError

PALETTE = [value for index in range(256) for value in (index, 255 - index, 0)]


def write_image(path, size=(12, 8), colour=(10, 120, 240)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, quality=95)


def write_mask(path, values=(0, 1), size=(12, 8), mode="P"):
    """Equal vertical stripes of ``values``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = np.resize(np.repeat(values, -(-size[0] // len(values)))[: size[0]], (size[1], size[0]))
    image = Image.fromarray(labels.astype(np.uint8))
    if mode == "P":
        image.putpalette(PALETTE)
    image.convert(mode).save(path)


def write_sequence(root, name, numbers, resolution="", values=(0, 1), suffix=".jpg"):
    for number in numbers:
        write_image(root / "JPEGImages" / resolution / name / f"{number:05d}{suffix}")
        write_mask(root / "Annotations" / resolution / name / f"{number:05d}.png", values)


def to_tar(folder, path):
    with tarfile.open(path, "w") as archive:
        archive.add(folder, arcname=".")
    return path


def ids(labels):
    return np.unique(labels).tolist()


class TestLabelRule:
    @pytest.mark.parametrize(
        ("values", "mode", "expected"),
        [
            ((0, 1, 2, 255), "P", [0, 1, 2, 255]),
            ((0, 1, 255), "L", [0, 1, 255]),
            ((0, 255), "L", [0, 1]),
            ((0, 255), "P", [0, 1]),
            ((255,), "L", [1]),
            ((0,), "L", [0]),
            ((0, 60, 180, 255), "L", [0, 1]),
            ((0, 255), "RGB", [0, 1]),
            ((0, 255), "1", [0, 1]),
        ],
    )
    def test_values_become_ids(self, tmp_path: Path, values, mode, expected) -> None:
        write_mask(tmp_path / "m.png", values, mode="P" if mode == "P" else "L")
        if mode not in ("P", "L"):
            Image.open(tmp_path / "m.png").convert(mode).save(tmp_path / "m.png")
        labels = read_labels(index_files(tmp_path)["m.png"], "m")
        assert labels.dtype == np.uint8
        assert ids(labels) == expected

    def test_an_anti_aliased_mask_is_cut_at_one_half(self, tmp_path: Path) -> None:
        write_mask(tmp_path / "m.png", (0, 60, 180, 255), mode="L")
        assert read_labels(index_files(tmp_path)["m.png"], "m")[0].tolist() == [0] * 6 + [1] * 6

    @pytest.mark.parametrize(
        ("image", "message"),
        [
            (Image.new("RGB", (4, 4), (200, 0, 0)), "colour"),
            (Image.fromarray(np.full((4, 4), 300, np.uint16)), "above 255"),
        ],
    )
    def test_what_is_no_label_map_is_refused_in_one_line(self, tmp_path: Path, image, message) -> None:
        image.save(tmp_path / "m.png")
        with pytest.raises(InputError, match=message) as caught:
            read_labels(index_files(tmp_path)["m.png"], "seq/00001")
        assert str(caught.value).startswith("seq/00001: ")
        assert "\n" not in str(caught.value)


class TestFiles:
    def test_a_tar_and_its_folder_hold_the_same_bytes(self, tmp_path: Path) -> None:
        write_sequence(tmp_path / "set", "a", range(3))
        (tmp_path / "set" / ".DS_Store").write_bytes(b"x")
        folder = index_files(tmp_path / "set")
        archive = index_files(to_tar(tmp_path / "set", tmp_path / "set.tar"))
        assert list(folder) == list(archive)
        assert len(folder) == 6
        assert all(folder[name].read() == archive[name].read() for name in folder)

    def test_a_compressed_tar_is_refused(self, tmp_path: Path) -> None:
        with tarfile.open(tmp_path / "x.tar", "w:gz") as archive:
            archive.addfile(tarfile.TarInfo("a"), io.BytesIO())
        with pytest.raises(InputError, match="unpack it"):
            index_files(tmp_path / "x.tar")

    def test_a_missing_folder_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="nowhere"):
            index_files(tmp_path / "nowhere")


class TestStaticImages:
    def test_pairs_are_found_and_sets_are_marked(self, tmp_path: Path) -> None:
        for name in ("good/1", "studio/1", "bad/1"):
            write_image(tmp_path / f"{name}.webp")
            write_mask(tmp_path / f"{name}.png")
        report = ReadingReport()
        found = static_images(index_files(tmp_path), report, paste_only={"studio"}, exclude={"bad"})
        assert {item.name: item.paste_only for item in found} == {"good/1": False, "studio/1": True}
        assert report.skipped == 0

    def test_loading_gives_pixels_and_ids(self, tmp_path: Path) -> None:
        write_image(tmp_path / "s" / "1.jpg", colour=(10, 120, 240))
        write_mask(tmp_path / "s" / "1.png", (0, 1, 255))
        (item,) = static_images(index_files(tmp_path), ReadingReport())
        rgb, labels = item.load()
        assert rgb.shape == (8, 12, 3)
        assert np.abs(rgb.astype(int) - (10, 120, 240)).max() < 8
        assert labels[0].tolist() == [0] * 4 + [1] * 4 + [255] * 4

    def test_what_is_missing_is_named_and_counted(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        write_image(tmp_path / "s" / "no-mask.jpg")
        write_mask(tmp_path / "s" / "no-image.png")
        report = ReadingReport()
        assert list(static_images(index_files(tmp_path), report)) == []
        assert report.skipped == 2
        assert "s/no-mask" in caplog.text
        assert "s/no-image" in caplog.text

    def test_sizes_that_differ_are_refused(self, tmp_path: Path) -> None:
        write_image(tmp_path / "s" / "1.jpg", size=(12, 8))
        write_mask(tmp_path / "s" / "1.png", size=(6, 4))
        (item,) = static_images(index_files(tmp_path), ReadingReport())
        with pytest.raises(InputError, match=r"12x8.*6x4"):
            item.load()

    def test_mattes_leave_their_soft_band_void(self, tmp_path: Path) -> None:
        write_image(tmp_path / "people" / "1.webp")
        write_mask(tmp_path / "people" / "1-alpha.png", (0, 100, 250, 255), mode="L")
        (item,) = matte_images(index_files(tmp_path), ReadingReport())
        assert item.load()[1][0].tolist() == [0] * 3 + [255] * 3 + [1] * 6

    def test_backgrounds_have_no_object(self, tmp_path: Path) -> None:
        write_image(tmp_path / "backgrounds" / "1.webp")
        (item,) = background_images(index_files(tmp_path))
        assert not item.load()[1].any()


class TestFolderVideos:
    @pytest.mark.parametrize("packed", [False, True])
    def test_sequences_are_found_at_any_depth(self, tmp_path: Path, packed) -> None:
        write_sequence(tmp_path / "set" / "train", "a", range(4), suffix=".webp")
        write_sequence(tmp_path / "set" / "train", "b", range(3), suffix=".png")
        root = to_tar(tmp_path / "set", tmp_path / "set.tar") if packed else tmp_path / "set"
        videos = list(folder_videos(index_files(root), ReadingReport()))
        assert [(video.name, len(video.frames), video.step) for video in videos] == [("a", 4, 1), ("b", 3, 1)]
        assert ids(videos[0].frames[3].load()[1]) == [0, 1]

    def test_the_step_is_read_off_the_frame_numbers(self, tmp_path: Path) -> None:
        write_sequence(tmp_path, "a", [0, 5, 10, 20, 25])
        (video,) = folder_videos(index_files(tmp_path), ReadingReport())
        assert video.step == 5

    def test_unlabelled_frames_and_short_sequences_are_named(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        write_sequence(tmp_path, "a", range(4))
        (tmp_path / "Annotations" / "a" / "00002.png").unlink()
        write_sequence(tmp_path, "short", range(2))
        report = ReadingReport()
        (video,) = folder_videos(index_files(tmp_path), report)
        assert [frame.name for frame in video.frames] == ["a/00000", "a/00001", "a/00003"]
        assert report.skipped == 2
        assert "a/00002" in caplog.text
        assert "short" in caplog.text


class TestDavis:
    @pytest.fixture
    def davis(self, tmp_path):
        for resolution in ("480p", "Full-Resolution"):
            for name in ("bear", "camel", "dogs"):
                write_sequence(tmp_path, name, range(3), resolution, values=(0, 1, 2))
        for year, subset, names in ((2017, "train", ["bear", "dogs"]), (2016, "train", ["camel"])):
            path = tmp_path / "ImageSets" / str(year) / f"{subset}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(names) + "\n")
        return tmp_path

    def test_2017_reads_its_list_with_all_objects(self, davis) -> None:
        videos = list(davis_videos(davis, ReadingReport(), resolution="Full-Resolution"))
        assert [(video.name, video.step) for video in videos] == [("bear", 1), ("dogs", 1)]
        assert ids(videos[0].frames[0].load()[1]) == [0, 1, 2]

    def test_2016_joins_objects(self, davis) -> None:
        (video,) = davis_videos(davis, ReadingReport(), year=2016)
        assert video.name == "camel"
        assert ids(video.frames[0].load()[1]) == [0, 1]

    def test_the_zip_of_2016_lists_pairs_and_has_binary_masks(self, tmp_path: Path) -> None:
        write_sequence(tmp_path, "bear", range(3), "480p", values=(0, 255))
        write_sequence(tmp_path, "unlisted", range(3), "480p", values=(0, 255))
        listed = tmp_path / "ImageSets" / "480p" / "train.txt"
        listed.parent.mkdir(parents=True)
        pairs = (f"/JPEGImages/480p/bear/{n:05d}.jpg /Annotations/480p/bear/{n:05d}.png \n" for n in range(3))
        listed.write_text("".join(pairs))
        (video,) = davis_videos(tmp_path, ReadingReport(), year=2016)
        assert video.name == "bear"
        assert ids(video.frames[2].load()[1]) == [0, 1]

    def test_a_listed_sequence_without_images_is_named(self, davis) -> None:
        (davis / "ImageSets" / "2017" / "train.txt").write_text("bear\nghost\n")
        report = ReadingReport()
        assert [video.name for video in davis_videos(davis, report)] == ["bear"]
        assert report.problems[0][0] == "ghost"

    def test_a_missing_list_is_an_input_error(self, davis) -> None:
        with pytest.raises(InputError, match="val"):
            davis_videos(davis, ReadingReport(), subset="val")


class TestYouTubeVos:
    def test_videos_of_the_meta_file_step_by_five(self, tmp_path: Path) -> None:
        for name in ("003234408d", "0043f083b5", "unlisted"):
            write_sequence(tmp_path / "train", name, range(0, 25, 5), values=(0, 1, 3))
        meta = {"videos": {"003234408d": {"objects": {}}, "0043f083b5": {"objects": {}}, "gone": {}}}
        (tmp_path / "train" / "meta.json").write_text(json.dumps(meta))
        report = ReadingReport()
        videos = list(youtube_vos_videos(tmp_path, report))
        assert [(v.name, v.step, len(v.frames)) for v in videos] == [
            ("003234408d", 5, 5),
            ("0043f083b5", 5, 5),
        ]
        assert ids(videos[1].frames[4].load()[1]) == [0, 1, 3]
        assert [name for name, _ in report.problems] == ["gone"]

    @pytest.mark.parametrize("meta", [None, "[]", "{"])
    def test_a_missing_or_odd_meta_file_is_an_input_error(self, tmp_path: Path, meta) -> None:
        write_sequence(tmp_path / "train", "a", range(0, 15, 5))
        if meta is not None:
            (tmp_path / "train" / "meta.json").write_text(meta)
        with pytest.raises(InputError, match=r"meta\.json"):
            youtube_vos_videos(tmp_path, ReadingReport())


class TestCoco:
    @pytest.fixture
    def coco(self, tmp_path):
        pytest.importorskip("pycocotools", reason="needs the coco extra")

        def box(x, y, w, h):
            return [[x, y, x + w, y, x + w, y + h, x, y + h]]

        def instance(number, image, segmentation, crowd=0):
            return {"id": number, "image_id": image, "iscrowd": crowd, "segmentation": segmentation}

        write_image(tmp_path / "images" / "1.jpg", size=(20, 10))
        write_image(tmp_path / "images" / "2.jpg", size=(20, 10))
        write_image(tmp_path / "images" / "4.jpg", size=(30, 10))
        images = [{"id": n, "file_name": f"{n}.jpg", "height": 10, "width": 20} for n in (1, 2, 3, 4)]
        crowd = {"size": [10, 20], "counts": [150, 50]}  # the last five columns
        annotations = [
            instance(7, 1, box(2, 2, 4, 4)),
            instance(8, 1, box(0, 0, 10, 10)),
            instance(9, 1, crowd, crowd=1),
            instance(10, 4, box(0, 0, 5, 5)),
        ]
        (tmp_path / "i.json").write_text(json.dumps({"images": images, "annotations": annotations}))
        return tmp_path

    def test_small_instances_lie_on_large_ones_and_crowds_are_void(self, coco) -> None:
        labels = next(iter(coco_images(coco / "images", coco / "i.json", ReadingReport()))).load()[1]
        assert labels[4].tolist() == [1] * 2 + [2] * 4 + [1] * 4 + [0] * 5 + [255] * 5

    def test_small_instances_can_be_void(self, coco) -> None:
        images = coco_images(coco / "images", coco / "i.json", ReadingReport(), min_area=50)
        assert ids(next(images).load()[1]) == [0, 1, 255]

    def test_missing_empty_and_resized_images_are_told(self, coco) -> None:
        report = ReadingReport()
        items = list(coco_images(coco / "images", coco / "i.json", report))
        assert [item.name for item in items] == ["coco/1.jpg", "coco/4.jpg"]
        assert dict(report.problems) == {
            "coco/2.jpg": "no instance in it",
            "coco/3.jpg": "the image is missing",
        }
        with pytest.raises(InputError, match="30x10"):
            items[1].load()

    def test_another_json_is_an_input_error(self, coco) -> None:
        (coco / "i.json").write_text("[]")
        with pytest.raises(InputError, match="COCO"):
            coco_images(coco / "images", coco / "i.json", ReadingReport())


class TestDataFolder:
    @pytest.fixture
    def parts(self, tmp_path):
        build, root = tmp_path / "build", tmp_path / "data"
        root.mkdir()
        write_sequence(build / "t0", "horse", range(4))
        write_sequence(build / "t1", "ytvos-1", range(3))
        write_sequence(build / "t1", "tennis", range(3))
        write_sequence(build / "t1", "too-short", range(3))
        write_sequence(build / "dev", "tennis", range(5))
        write_sequence(build / "dev", "too-short", range(2))
        write_image(build / "s" / "static" / "viton" / "1.webp")
        write_mask(build / "s" / "static" / "viton" / "1.png")
        write_image(build / "b" / "backgrounds" / "1.webp")
        names = {"t0": "video-train-0", "t1": "video-train-1", "dev": "video-dev", "s": "static-0"}
        for part, name in (names | {"b": "backgrounds"}).items():
            to_tar(build / part, root / f"{name}.tar")
        return root

    def test_parts_are_told_by_their_names(self, parts) -> None:
        found = open_data_folder(parts)
        assert [(item.name, item.paste_only) for item in found.images] == [("viton/1", True)]
        assert [(video.name, video.step) for video in found.train_videos] == [("horse", 1), ("ytvos-1", 5)]
        assert [video.name for video in found.dev_videos] == ["tennis"]
        assert len(found.backgrounds) == 1
        assert found.mattes == ()

    def test_a_development_sequence_never_trains(self, parts) -> None:
        found = open_data_folder(parts)
        assert not {"tennis", "too-short"} & {video.name for video in found.train_videos}
        assert [name for name, _ in found.report.problems] == ["too-short", "tennis", "too-short"]

    def test_listed_sequences_are_held_out_of_training(self, parts, tmp_path: Path) -> None:
        held = sorted(DEVELOPMENT)[0]
        build = tmp_path / "held"
        write_sequence(build / "t2", held, range(3))
        to_tar(build / "t2", parts / "video-train-3.tar")
        found = open_data_folder(parts)
        assert [video.name for video in found.dev_videos] == ["tennis", held]
        assert held not in {video.name for video in found.train_videos}
        assert found.report.skipped == 3

    def test_what_lies_far_apart_is_stepped_and_weighted(self, parts, tmp_path: Path) -> None:
        build = tmp_path / "far"
        write_sequence(build / "t2", "desk-9", range(3))
        write_sequence(build / "t2", "bms26-x", range(10, 40, 10))
        to_tar(build / "t2", parts / "video-train-3.tar")
        videos = {video.name: video for video in open_data_folder(parts).train_videos}
        assert (videos["desk-9"].step, videos["desk-9"].weight) == (25, 2.0)
        assert (videos["bms26-x"].step, videos["bms26-x"].weight) == (10, 1.0)
        assert videos["horse"].weight == 1.0

    def test_unpacked_parts_are_the_same(self, parts) -> None:
        packed = open_data_folder(parts)
        with tarfile.open(parts / "video-train-0.tar") as archive:
            archive.extractall(parts / "video-train-0", filter="data")
        (parts / "video-train-0.tar").unlink()
        unpacked = open_data_folder(parts)
        assert [video.name for video in unpacked.train_videos] == [
            video.name for video in packed.train_videos
        ]

    def test_static_sets_can_be_left_out(self, parts) -> None:
        assert open_data_folder(parts, exclude={"viton"}).images == ()

    def test_a_file_in_two_parts_is_told(self, parts) -> None:
        (parts / "video-train-2.tar").write_bytes((parts / "video-train-0.tar").read_bytes())
        found = open_data_folder(parts)
        assert len(found.train_videos[0].frames) == 4
        assert found.report.skipped == 3 + 8

    def test_a_folder_of_something_else_is_an_input_error(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="static"):
            open_data_folder(tmp_path)

    @pytest.mark.data
    def test_the_real_folder_is_read_whole(self, data_folder: Path) -> None:
        found = open_data_folder(data_folder)
        training = {video.name for video in found.train_videos}
        judging = {video.name for video in found.dev_videos}
        assert not training & judging
        assert judging >= {"breakdance-flare", "car-turn", "mallard-fly", "scooter-gray", "tennis"}
        assert len(training) > 2 * len(judging)
        assert min(map(len, (found.images, found.backgrounds, found.mattes))) > 30
        assert found.report.skipped == 0
        assert {video.name for video in found.dev_videos} >= DEVELOPMENT
        steps = {video.name: video.step for video in (*found.train_videos, *found.dev_videos)}
        assert steps["bear"] == 1
        assert steps["tennis"] == 1
        assert all(step == 5 for name, step in steps.items() if name.startswith("ytvos-"))
        assert all(step == 25 for name, step in steps.items() if name.startswith(("desk-", "panda-")))
        assert all(not labels.all() for _, labels in (item.load() for item in found.images[::500]))

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from maskstream.clips.randomness import Draws  # noqa: E402
from maskstream.clips.samplers import ClipConfig, ClipSampler, SkipSchedule, pick_frames  # noqa: E402
from maskstream.clips.tensors import ImageSet, VideoSet  # noqa: E402
from maskstream.errors import InputError  # noqa: E402

pytestmark = pytest.mark.torch

DEFAULT = ClipConfig()
NO_LAYERS = (1.0,)
TRUE_COLOURS = ClipConfig(
    brightness=0,
    contrast=0,
    saturation=(1, 1),
    hue=0,
    tone=0,
    grey=0,
    noise=0,
    soften=0,
    compress=0,
    exposure=0,
    shake=0,
    shutter=0,
    layer_gain=0,
)
ALONE = replace(TRUE_COLOURS, still_layers=NO_LAYERS, video_layers=NO_LAYERS, background=0, drop_labels=0)


def paint(labels):
    """Pictures that show their label maps: ids 1, 2, 3 in red, green, blue on black, void in mid grey."""
    pictures = torch.stack([(labels == k) * 255 for k in (1, 2, 3)], 1)
    return pictures.masked_fill(labels[:, None] == 255, 128).to(torch.uint8)


def stills(count=6, side=64, objects=2):
    labels = torch.zeros(count, side, side, dtype=torch.uint8)
    labels[:, 8:40, 6:26] = 1
    if objects > 1:
        labels[:, 30:56, 34:60] = 2
    return ImageSet(
        paint(labels), labels, torch.linspace(0.7, 1.4, count), torch.zeros(count, dtype=torch.bool)
    )


def films(lengths=(12, 9), steps=(1, 5), height=48, width=80):
    labels = torch.zeros(sum(lengths), height, width, dtype=torch.uint8)
    for frame in range(len(labels)):
        x = 10 + 2 * (frame % 12)
        labels[frame, 10:30, x : x + 20] = 1
        labels[frame, 30:44, 60 - x // 2 : 72 - x // 2] = 2
    start = torch.tensor([sum(lengths[:k]) for k in range(len(lengths))])
    aspect = torch.full((len(lengths),), 1.6)
    return VideoSet(paint(labels), labels, start, torch.tensor(lengths), torch.tensor(steps), aspect)


def sampler(images=None, videos=None, backgrounds=None, config=DEFAULT, seed=0):
    return ClipSampler(images, videos, backgrounds, config, torch.Generator().manual_seed(seed))


def places(side=64):
    empty = torch.zeros(3, side, side, dtype=torch.uint8)
    return ImageSet(paint(empty), empty, torch.ones(3), torch.zeros(3, dtype=torch.bool))


def everything(config=DEFAULT, seed=0):
    return sampler(stills(), films(), places(), config, seed)


def interior(labels):
    """Pixels whose eight neighbours carry the same label."""
    padded = torch.nn.functional.pad(labels[:, :, None].float(), (1, 1, 1, 1, 0, 0), mode="replicate")
    windows = padded.unfold(3, 3, 1).unfold(4, 3, 1)[:, :, 0]
    return (windows == labels[..., None, None]).flatten(-2).all(-1)


def assert_labels_match_colours(clips):
    """Each object shows a colour of its own, the same in all frames, nowhere else but at blended edges."""
    sure = interior(clips.labels)
    for frames, labels, inside, count in zip(clips.frames, clips.labels, sure, clips.objects, strict=True):
        pixels = frames.permute(0, 2, 3, 1)
        for k in range(1, int(count) + 1):
            colour = pixels[0][inside[0] & (labels[0] == k)].mean(0).argmax()
            assert pixels[inside & (labels == k)][:, colour].min() > 0.4
            assert pixels[inside & (labels != k) & (labels != 255)][:, colour].max() < 0.6


def test_clips_have_the_promised_shapes_types_and_range():
    clips = everything().sample(5, (48, 64), frames=4)
    assert clips.frames.shape == (5, 4, 3, 48, 64)
    assert clips.frames.dtype == torch.float32
    assert 0 <= clips.frames.min() <= clips.frames.max() <= 1
    assert clips.labels.shape == (5, 4, 48, 64)
    assert clips.labels.dtype == torch.uint8


def test_ids_are_compact_and_every_object_is_in_the_first_frame():
    config = ClipConfig(max_objects=2, still_layers=(0, 0, 1), min_first_pixels=30)
    make = everything(config)
    for _ in range(4):
        clips = make.sample(8, 64)
        for labels, count in zip(clips.labels, clips.objects.tolist(), strict=True):
            assert 1 <= count <= 2
            assert set(labels.unique().tolist()) - {0, 255} == set(range(1, count + 1))
            for k in range(1, count + 1):
                assert (labels[0] == k).sum() >= 30 * 64 * 64 / 192**2


@pytest.mark.parametrize("video_fraction", [0.0, 1.0])
def test_labels_follow_the_same_warp_as_pictures(video_fraction):
    config = replace(ALONE, min_first_pixels=400)
    clips = sampler(stills(), films(), config=config).sample(12, 96, video_fraction=video_fraction)
    assert_labels_match_colours(clips)


def test_labels_of_pasted_layers_follow_their_pixels():
    config = replace(TRUE_COLOURS, roles=(1, 0, 0), background=1, motion_blur=0, absent=0)
    clips = sampler(stills(objects=1), backgrounds=places(), config=config).sample(16, 96)
    # Over black places, with red objects only, the label map is what is seen.
    seen = clips.frames[:, :, 0] > 0.5
    mistaken = seen != (clips.labels > 0)
    assert mistaken.float().mean() < 0.003


def test_only_the_generator_decides():
    first, second = everything(seed=3), everything(seed=3)
    first.sample(4, 64)
    second.generator.set_state(first.generator.get_state())
    a, b = first.sample(4, 64), second.sample(4, 64)
    assert torch.equal(a.frames, b.frames)
    assert torch.equal(a.labels, b.labels)
    assert not torch.equal(a.frames, everything(seed=4).sample(4, 64).frames)


def draw_frames(videos, n=400, frames=3, max_skip=5, **config):
    useful = torch.ones(len(videos.frames), dtype=torch.bool)
    draws = Draws(torch.Generator().manual_seed(1), torch.device("cpu"))
    return pick_frames(videos, useful, n, frames, max_skip, ClipConfig(**{"cut": 0, **config}), draws)


def test_gaps_are_uniform_up_to_the_skip_interval():
    _, which = draw_frames(films((60,), (1,)), max_skip=5, reverse=0)
    gaps = which.diff(dim=1)
    counts = gaps.flatten().bincount(minlength=6)
    assert counts[0] == 0
    assert len(counts) == 6
    assert counts[1:].min() > 100


def test_gaps_count_source_frames():
    _, which = draw_frames(films((60,), (5,)), max_skip=12, reverse=0)
    assert set(which.diff(dim=1).unique().tolist()) == {1, 2}
    _, which = draw_frames(films((60,), (5,)), max_skip=3, reverse=0)
    assert set(which.diff(dim=1).unique().tolist()) == {1}


def test_short_videos_clamp_the_gap_and_shorter_ones_are_left_out():
    video, which = draw_frames(films((5, 2), (1, 1)), max_skip=25, reverse=0)
    assert (video == 0).all()
    assert which.max() == 4
    assert set(which.diff(dim=1).unique().tolist()) == {1, 2}


def test_videos_are_drawn_by_their_weights():
    videos = replace(films((20, 20), (1, 1)), weight=torch.tensor([3.0, 1.0]))
    video, _ = draw_frames(videos, n=2000)
    assert 0.7 < (video == 0).float().mean() < 0.8


def test_every_start_is_as_likely_as_another():
    _, which = draw_frames(films((20,), (1,)), n=3000, max_skip=1, reverse=0)
    counts = which[:, 0].bincount(minlength=18)
    assert len(counts) == 18
    assert counts.min() > 0.6 * counts.max()


def test_time_runs_backwards_as_often_as_asked():
    for chance, low, high in ((0.0, 0, 0), (1.0, 1, 1), (0.5, 0.4, 0.6)):
        _, which = draw_frames(films((30,), (1,)), reverse=chance)
        assert low <= (which[:, 0] > which[:, 2]).float().mean() <= high


def test_first_frames_show_an_object_where_the_video_has_one():
    videos = films((20,), (1,))
    useful = torch.arange(20) < 6
    draws = Draws(torch.Generator().manual_seed(1), torch.device("cpu"))
    _, which = pick_frames(videos, useful, 200, 3, 2, ClipConfig(), draws)
    assert useful[which[:, 0]].float().mean() > 0.8


def test_void_stays_void():
    source = stills(objects=1)
    source.labels[:, 4:8, 6:26] = 255
    source = replace(source, images=paint(source.labels))
    clips = sampler(source, config=ALONE).sample(8, 96)
    assert (clips.labels == 255).any()
    pixels = clips.frames.permute(0, 1, 3, 4, 2)
    grey = (pixels - 128 / 255).abs().amax(-1) < 0.02
    assert (clips.labels[grey] == 255).all()
    # What is red is labelled, or void where it is seen reflected; never silently background.
    assert (clips.labels[interior(clips.labels) & (pixels[..., 0] > 0.9)] != 0).all()


def test_clips_without_an_object_are_replaced():
    labels = torch.zeros(20, 64, 64, dtype=torch.uint8)
    labels[:, 20:40, 20:40] = 1
    labels[::2, :, :] = 0
    videos = VideoSet(paint(labels), labels, *(torch.tensor([k]) for k in (0, 20, 1, 1.0)))
    clips = sampler(videos=videos, config=ALONE).sample(32, 64, max_skip=3)
    assert (clips.objects >= 1).all()
    assert (clips.labels[:, 0] == 1).flatten(1).any(1).all()


def test_paste_only_images_are_never_shown_whole():
    source = replace(stills(objects=1), paste_only=torch.ones(6, dtype=torch.bool))
    source.images[source.labels[:, None].expand(-1, 3, -1, -1) == 0] = 77
    clips = sampler(source, backgrounds=places(), config=TRUE_COLOURS).sample(8, 96)
    assert not ((clips.frames - 77 / 255).abs().amax(2) < 0.004).any()


def test_sets_without_objects_are_refused():
    with pytest.raises(InputError, match="no image or video holds"):
        sampler(places(), backgrounds=places())


def test_ids_reserved_for_pasted_objects_are_refused():
    source = stills()
    source.labels[3][source.labels[3] == 2] = 241
    with pytest.raises(InputError, match="image 3 uses object ids over 239"):
        sampler(source)


@pytest.mark.parametrize(("size", "frames"), [(60, 3), (64, 1)])
def test_impossible_clips_are_refused(size, frames):
    with pytest.raises(InputError, match="multiples of 8"):
        everything().sample(2, size, frames=frames)


def test_skip_interval_grows_then_shrinks():
    schedule = SkipSchedule()
    skips = [schedule.max_skip(step / 100) for step in range(101)]
    peak = skips.index(25)
    assert skips[:peak] == sorted(skips[:peak])
    assert skips[0] == 5
    assert skips[89] == 25
    assert skips[90] == skips[100] == 5


@pytest.mark.parametrize("fractions", [(0.0, 0.5), (0.1, 0.2, 0.3), (0.0, 0.5, 0.5)])
def test_skip_schedules_that_make_no_sense_are_refused(fractions):
    with pytest.raises(InputError, match="skip schedule"):
        SkipSchedule(fractions, (5, 10, 5))


def test_small_sets_of_stills_are_drawn_more_often_than_their_share():
    images = stills(count=10)
    images = replace(images, names=tuple(f"{'small' if n < 1 else 'large'}/{n}" for n in range(10)))

    def share(power):
        config = replace(DEFAULT, set_weight_power=power)
        weights = sampler(images, config=config)._still_weights
        return float(weights[0] / weights.sum())

    assert share(1.0) == pytest.approx(0.1)
    assert share(0.5) == pytest.approx(1 / (1 + 3))
    assert share(0.0) == pytest.approx(0.5)


def test_a_cut_leaves_the_beginning_and_never_the_video():
    videos = films((40, 40), (1, 1))
    useful = torch.ones(80, dtype=torch.bool)

    def picked(cut, frames=5):
        draws = Draws(torch.Generator().manual_seed(3), torch.device("cpu"))
        return pick_frames(videos, useful, 300, frames, 3, ClipConfig(cut=cut, reverse=0), draws)

    video, which = picked(1.0)
    _, plain = picked(0.0)
    assert torch.equal(which[:, :2], plain[:, :2])  # something is seen to move first
    assert (which // 40 == video[:, None]).all()
    jumps = torch.diff(which, dim=1)
    assert ((jumps < 1) | (jumps > 3)).sum(1).max() == 1
    assert ((jumps < 1) | (jumps > 3)).any(1).float().mean() > 0.7


def test_a_cut_shows_a_still_from_elsewhere():
    def views(cut):
        config = replace(ALONE, cut=cut, camera_shift=(0.004, 0.005), camera_zoom=0, camera_turn=0)
        config = replace(config, camera_warp=(0.0, 0.0), camera_shear=0)
        frames = sampler(stills(), config=config).sample(24, 96, 4).frames
        return torch.diff(frames, dim=1).abs().mean((2, 3, 4))

    plain, cut = views(0.0), views(1.0)
    assert cut[:, 0].max() < 0.05  # never right after the first frame
    assert (cut[:, 1:].amax(1) > 2 * plain.max()).float().mean() > 0.6


def test_an_open_shutter_blurs_the_view_by_its_motion_and_no_label():
    def shown(shutter):
        config = replace(ALONE, shutter=shutter, shutter_time=(0.6, 0.7), camera_shift=(0.15, 0.2))
        return sampler(stills(objects=1), config=config).sample(16, 96)

    sharp, blurred = shown(0.0), shown(1.0)
    assert torch.equal(sharp.labels, blurred.labels)
    red = [clips.frames[:, :, 0] for clips in (sharp, blurred)]
    between = [((each > 0.2) & (each < 0.8)).float().mean() for each in red]
    assert between[1] > 2 * between[0]
    # The blur lies on both sides of the edge: halves are where the labels say.
    seen = red[1] > 0.5
    assert (seen != (blurred.labels == 1))[blurred.labels != 255].float().mean() < 0.02


def test_every_option_off_is_reachable_and_the_generator_alone_decides_with_all_on():
    names = ("limbs", "spin", "hop", "leaving", "crossing", "cut", "shutter", "exposure", "shake", "compress")
    wild = replace(DEFAULT, **dict.fromkeys(names, 1.0))
    first, again = (everything(wild, seed=4).sample(12, 96, 4) for _ in range(2))
    assert torch.equal(first.frames, again.frames)
    assert torch.equal(first.labels, again.labels)
    assert torch.isfinite(first.frames).all()
    assert 0 <= first.frames.min() <= first.frames.max() <= 1

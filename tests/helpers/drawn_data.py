"""A data folder of drawn clips, for the commands that train."""

from PIL import Image

from maskstream.drawn_clips import draw_clip

NETWORK = {
    "name": "tiny",
    "backbone": "plain",
    "trunk_widths": [4, 8, 8, 16],
    "trunk_depths": [0, 1, 1, 1],
    "memory_encoder": "light",
    "mask_widths": [4, 4, 8, 8],
    "key_dim": 8,
    "value_dim": 16,
    "similarity": "cosine",
    "shared_key": True,
    "decoder_width": [16, 8, 8, 4],
}
RUN = {"stages": [{"until": 1.0, "size": [32], "batch": 2, "frames": 2, "video_fraction": 0.5}]}


def write_drawn_data(root):
    """Stills, of which one has no mask, a training and a development video."""
    for part, seed in (("video-train-0", 1), ("video-dev", 2)):
        for index, (frame, label_map) in enumerate(draw_clip(5, 64, 96, objects=2, seed=seed)):
            for kind, pixels, suffix in (("JPEGImages", frame, "jpg"), ("Annotations", label_map, "png")):
                path = root / part / kind / f"drawn-{seed}" / f"{index:05d}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    stills = root / "static-0" / "drawn"
    stills.mkdir(parents=True)
    frame, label_map = next(draw_clip(1, 64, 64, objects=2))
    Image.fromarray(frame).save(stills / "0.jpg")
    Image.fromarray(label_map).save(stills / "0.png")
    Image.fromarray(frame).save(stills / "lonely.jpg")

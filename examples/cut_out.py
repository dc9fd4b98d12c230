"""Write the subject as PNGs with alpha, for any editor: cut_out.py talk.mp4 folder."""

import sys

import maskstream

video, folder = sys.argv[1:]
edges = maskstream.MatteConfig(shift=-0.5)  # half a pixel in, so that no rim of the old background stays
result = maskstream.replace_background(video, "transparent", folder, matte=edges, overwrite=True)
print(f"{result.frames} pictures in {folder}")

"""Video files and folders of images in, video files out: times, rotation, colour and sound kept."""

from maskstream.video.image_sequence import ImageSequenceWriter as ImageSequenceWriter
from maskstream.video.probe import VideoInfo as VideoInfo
from maskstream.video.read import FrameReader as FrameReader
from maskstream.video.read import VideoFrame as VideoFrame
from maskstream.video.read import read_reversed as read_reversed
from maskstream.video.read import read_video as read_video
from maskstream.video.write import VideoWriter as VideoWriter

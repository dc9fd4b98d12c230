"""What goes behind the object: a picture, a video, a blur, a colour; and the compositor."""

from maskstream.background.compositor import CompositeConfig as CompositeConfig
from maskstream.background.compositor import Compositor as Compositor
from maskstream.background.options import BackgroundOptions as BackgroundOptions
from maskstream.background.sources import Background as Background
from maskstream.background.sources import open_background as open_background

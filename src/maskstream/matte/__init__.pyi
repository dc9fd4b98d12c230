"""From a network's probabilities, or a screen's colour, to a soft alpha and the object's own colour."""

from maskstream.matte.config import KeyConfig as KeyConfig
from maskstream.matte.config import MatteConfig as MatteConfig
from maskstream.matte.matting import Matte as Matte
from maskstream.matte.matting import Matting as Matting

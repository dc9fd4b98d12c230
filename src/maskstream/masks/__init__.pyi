"""Label maps in and out: palette PNG, every common mask format, run-length codes, pictures of them."""

from maskstream.masks.draw import contact_sheet as contact_sheet
from maskstream.masks.draw import mask_colours as mask_colours
from maskstream.masks.draw import overlay as overlay
from maskstream.masks.palette import present_ids as present_ids
from maskstream.masks.palette import write_label_map as write_label_map
from maskstream.masks.read import ReadMask as ReadMask
from maskstream.masks.read import read_label_map as read_label_map
from maskstream.masks.read import read_object_masks as read_object_masks
from maskstream.masks.rle import RleWriter as RleWriter

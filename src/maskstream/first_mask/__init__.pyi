"""The first mask of a video: found without a prompt, or made from a hint."""

from maskstream.first_mask.box import from_box as from_box
from maskstream.first_mask.clean_plate import CleanPlate as CleanPlate
from maskstream.first_mask.remembered import forget as forget
from maskstream.first_mask.remembered import recall as recall
from maskstream.first_mask.remembered import remember as remember
from maskstream.first_mask.subject import Subject as Subject
from maskstream.first_mask.subject import SubjectFinder as SubjectFinder
from maskstream.first_mask.subject import SubjectRules as SubjectRules
from maskstream.first_mask.subject import find_subject as find_subject

"""Work on whole files, from options to outputs: segment a video, replace a background."""

from maskstream.jobs.frames import FrameRange as FrameRange
from maskstream.jobs.job import Job as Job
from maskstream.jobs.job import JobCancelled as JobCancelled
from maskstream.jobs.job import JobResult as JobResult
from maskstream.jobs.marks import BoxMark as BoxMark
from maskstream.jobs.marks import DetectedSubject as DetectedSubject
from maskstream.jobs.marks import MaskMark as MaskMark
from maskstream.jobs.marks import detect_subject as detect_subject
from maskstream.jobs.marks import marks_of as marks_of
from maskstream.jobs.progress import Phase as Phase
from maskstream.jobs.progress import Progress as Progress
from maskstream.jobs.replace import ReplaceJob as ReplaceJob
from maskstream.jobs.replace import ReplaceOptions as ReplaceOptions
from maskstream.jobs.replace import replace_background as replace_background
from maskstream.jobs.segment import SegmentJob as SegmentJob
from maskstream.jobs.segment import SegmentOptions as SegmentOptions
from maskstream.jobs.segment import segment_video as segment_video

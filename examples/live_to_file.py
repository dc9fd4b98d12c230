"""A live stream with the room hidden, into a file, for ten seconds: live_to_file.py camera out.mp4."""

import sys

import maskstream

source, output = sys.argv[1:]
options = maskstream.LiveOptions(source=source, background="blur", outputs=[output], seconds=10)
with maskstream.LiveSession(options, say=print) as session:
    session.run()  # until the source ends, ten seconds are over, or another thread calls session.stop()

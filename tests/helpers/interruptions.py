"""What may come between while a command runs."""

import errno
import os
import signal


class Killed(BaseException):
    """Stands for what gives a process no time to save anything."""


def kill():
    raise Killed


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def fill_disk():
    raise OSError(errno.ENOSPC, "No space left on device", "somewhere")


def at_call(monkeypatch, owner, name, number, happens):
    """Let something happen when a function is called for the ``number``-th time (from 0)."""
    original, calls = getattr(owner, name), []

    def wrapped(*args, **options):
        calls.append(name)
        if len(calls) == number + 1:
            happens()
        return original(*args, **options)

    monkeypatch.setattr(owner, name, wrapped)

"""The one exception a user is meant to read, and any other in one line."""


class InputError(ValueError):
    """Something the caller gave cannot be used: a file, a mask, an option.

    The message is one line that says what is wrong, where, and what to do. The command line prints it
    and exits with code 2; no traceback is shown unless ``--debug`` is given.
    """


def one_line(error: BaseException) -> str:
    """What went wrong, without line breaks: the system's words, else the error's own, else its kind."""
    reason = getattr(error, "strerror", None) or str(error)
    return " ".join(str(reason).split()) or type(error).__name__

"""The one exception a user is meant to read."""


class InputError(ValueError):
    """Something the caller gave cannot be used: a file, a mask, an option.

    The message is one line that says what is wrong, where, and what to do. The command line prints it
    and exits with code 2; no traceback is shown unless ``--debug`` is given.
    """

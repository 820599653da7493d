"""The base class of every error that this package raises on purpose."""


class TaihriError(Exception):
    """An error that the user can fix; its message is one line that names the problem and what to do about it."""

"""The root of every error that this package raises on purpose."""


class TaihriError(Exception):
    """Something that the user can mend: the message is one clear line that says what to do."""

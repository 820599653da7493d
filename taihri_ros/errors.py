"""The base class of every error that this package raises on purpose, and the advice for a package that is missing."""


class TaihriError(Exception):
    """An error that the user can fix; its message is one line that names the problem and what to do about it."""


def install_extra(extra: str) -> str:
    """Return how to install an extra of this package, for an error message; no package index has taihri_ros itself."""
    return f"in the repository pip install '.[{extra}]'"

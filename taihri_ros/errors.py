"""The base class of every error that this package raises on purpose, and advice about missing packages."""

from collections.abc import Iterator
from contextlib import contextmanager


class TaihriError(Exception):
    """An error that the user can fix; its message is one line that names the problem and what to do about it."""


def install_extra(extra: str) -> str:
    """Return how to install an extra of this package, for an error message; no package index has taihri_ros itself."""
    return f"in the repository pip install '.[{extra}]'"


@contextmanager
def imports_of(extra: str, error_class: type[TaihriError] = TaihriError) -> Iterator[None]:
    """Return a context for imports of the packages that an extra installs.

    Args:
        extra: The extra in `setup.cfg`.
        error_class: Class of the error.

    Raises:
        TaihriError: One of them is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("taihri_ros"):
            raise
        raise error_class(f"{error.name} is not installed: {install_extra(extra)}") from error

"""The error of a picture that is not understood."""

from taihri_ros.errors import TaihriError

WHAT_TO_DO = "check the camera and the connection to it, or the file"


class PictureError(TaihriError):
    """The bytes are not a whole picture of an accepted format."""


def cut_off(name: str, size: int) -> PictureError:
    """Return the error of a picture whose data ends early.

    Args:
        name: Format, such as `JPEG`.
        size: Number of bytes that there are.
    """
    return PictureError(f"the {name} is cut off after {size} bytes: {WHAT_TO_DO}")


def damaged(name: str, detail: object) -> PictureError:
    """Return the error of a picture whose data breaks the rules of its format.

    Args:
        name: Format, such as `JPEG`.
        detail: What is wrong.
    """
    return PictureError(f"the {name} is damaged ({detail}): {WHAT_TO_DO}")


def unsupported(name: str, detail: str) -> PictureError:
    """Return the error of a picture of a kind that is not decoded.

    Args:
        name: Format, such as `JPEG`.
        detail: The kind, such as `with 12 bits per sample`.
    """
    return PictureError(f"a {name} {detail} is not decoded: use a JPEG or PNG with 8 bits per sample")

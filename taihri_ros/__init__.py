"""Metric 3D keypoints of the person in front of a robot, found from its camera and a spoken or typed command.

from taihri_ros import Localizer

with Localizer("camera.yaml", engine="mediapipe") as localizer:
    print(localizer.locate("photo.jpg", "shake my hand").points)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taihri_ros.localizer import Localization, Localizer

__version__ = "0.1.0"

__all__ = ["Localization", "Localizer", "__version__"]


def __dir__() -> list[str]:
    """Return the names that completion offers, `__getattr__`'s included."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Return a class of `localizer`, which is imported at its first use: `import taihri_ros` needs no other package."""
    if name in ("Localization", "Localizer"):
        return getattr(import_module("taihri_ros.localizer"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The error of this folder."""

from __future__ import annotations

from taihri_ros.errors import TaihriError


class BagError(TaihriError):
    """A bag cannot be read or written."""

"""Fixture of the tiny checkpoint as a path."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def checkpoint(checkpoint: str) -> Path:
    return Path(checkpoint)

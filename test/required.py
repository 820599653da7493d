"""Skips tests whose requirements are missing on a machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ENGINE_PYTHON = Path(os.environ.get("TAIHRI_ENGINE_PYTHON", ROOT / ".venv-vllm" / "bin" / "python"))
"""Python interpreter of an engine environment with vLLM and transformers."""

LIGHT_PYTHON = Path(os.environ.get("TAIHRI_LIGHT_PYTHON", ROOT / ".venv-mediapipe" / "bin" / "python"))
"""Python interpreter of the environment of the engine mediapipe."""


def require(condition: object, what: str, how: str) -> None:
    """Skip the test if a requirement is missing; in CI fail it.

    Args:
        condition: Whether the requirement is met.
        what: Name of the requirement.
        how: How to install it.
    """
    if condition:
        return
    reason = f"{what} is missing: {how}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)

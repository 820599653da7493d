"""The licence of a checkpoint is that of its model card, or the first line of a licence file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from taihri_ros.inference.checkpoint.licence import Licence, read_licence
from taihri_ros.resources import NANO


def test_the_small_model_states_its_licence() -> None:
    assert read_licence(NANO) == Licence("apache-2.0", "")


@pytest.mark.parametrize(
    ("card", "text", "expected"),
    [
        (None, None, Licence("", "")),
        ("no front matter\nlicense: mit", None, Licence("", "")),
        ("---\nlicense: other\nlicense_name: 'robots only'\n---\n", None, Licence("robots only", "")),
        ("---\nlicense: mit\n---\n", "MIT License", Licence("mit", "LICENSE")),
        ("---\nlicense:\ntags: [a]\n---\n", "\n  Apache License\n  2.0", Licence("Apache License", "LICENSE")),
        (None, b"\xff\xfe", Licence("\ufffd\ufffd", "LICENSE")),
    ],
)
def test_model_card_and_file(tmp_path: Path, card: str | None, text: str | bytes | None, expected: Licence) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    if text is not None:
        (tmp_path / "LICENSE").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert read_licence(tmp_path) == expected


def test_pipes_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "README.md")
    os.mkfifo(tmp_path / "LICENSE")
    assert read_licence(tmp_path) == Licence("", "")

"""The text that Whisper reads before an utterance, and the model that comes in two packages."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import pytest
from heard import TASKS
from required import require

from taihri_ros.commands.tasks import Tasks
from taihri_ros.voice import whisper_model
from taihri_ros.voice.errors import VoiceError
from taihri_ros.voice.language_model import spoken_words
from taihri_ros.voice.typical_orders import typical_orders
from taihri_ros.voice.whisper_model import installed_model, mended_tokenizer


def make_packages(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install two packages with the halves of `weights`, and an empty cache."""
    for number, half in enumerate((b"wei", b"ghts"), 1):
        data = directory / f"half{number}" / "data"
        data.mkdir(parents=True)
        (data.parent / "__init__.py").touch()
        (data / f"model.bin.part{number}").write_bytes(half)
    (directory / "half1" / "data" / "tokenizer.json").write_text("{}")
    monkeypatch.syspath_prepend(directory)
    monkeypatch.setenv("XDG_CACHE_HOME", str(directory / "cache"))
    monkeypatch.setattr(whisper_model, "_PACKAGES", ("half1", "half2"))
    monkeypatch.setattr(whisper_model, "_SHA256", hashlib.sha256(b"weights").hexdigest())


def test_the_halves_are_put_together_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_packages(tmp_path, monkeypatch)
    model = installed_model()
    assert {file.name for file in model.iterdir()} == {"model.bin", "tokenizer.json"}
    assert (model / "model.bin").read_bytes() == b"weights"
    (tmp_path / "half2" / "data" / "model.bin.part2").unlink()
    assert installed_model() == model


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_packages(tmp_path, monkeypatch)
    (tmp_path / "half2" / "data" / "model.bin.part2").write_bytes(b"other")
    with pytest.raises(VoiceError, match="not the one that was tested"):
        installed_model()
    assert not any((tmp_path / "cache" / "taihri_ros").iterdir())


def test_a_missing_half_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper_model, "_PACKAGES", ("no_such_half",))
    with pytest.raises(VoiceError, match=r"no Whisper model is installed: .*pip install '\.\[voice-whisper\]'"):
        installed_model()


def test_the_words_that_begin_with_t_are_one_token() -> None:
    require(find_spec("tokenizers") is not None, "tokenizers", "pip install -e '.[voice-whisper]'")
    from tokenizers import Tokenizer
    from tokenizers.models import BPE

    letters = ["\u0120", "t", "h", "e", "\u0120t", "he", "\u0120the"]
    merges = [("h", "e"), ("\u0120t", "he")]
    broken = Tokenizer(BPE({letter: number for number, letter in enumerate(letters)}, merges))
    assert broken.encode("\u0120the").tokens == ["\u0120", "t", "he"]
    whole = mended_tokenizer(broken)
    assert whole.encode("\u0120the").tokens == ["\u0120the"]
    assert mended_tokenizer(whole).to_str() == whole.to_str()


def test_typical_orders_name_joints_things_and_verbs_in_few_words() -> None:
    text = typical_orders(TASKS)
    assert len(spoken_words(text)) <= 110
    assert {"hug", "shake", "shoulder", "knee", "shoe", "watch"} <= set(spoken_words(text))
    assert 0 < len(spoken_words(typical_orders(TASKS, 8))) <= 8


def test_typical_orders_hold_those_of_a_user(tmp_path: Path) -> None:
    file = tmp_path / "tasks.yaml"
    file.write_text("tasks:\n  bandage:\n    joints: [left_knee]\n    phrasings: [bandage the leg]\n")
    assert "bandage" in typical_orders(Tasks.load(file)).casefold()

"""The lock of a checkpoint finds every change, and a start of an engine finds changes of size."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from taihri_ros.errors import TaihriError
from taihri_ros.inference.checkpoint import lock
from taihri_ros.inference.checkpoint.lock import FILE_NAME, Differences, LockedFile
from taihri_ros.inference.engine import CheckpointError
from taihri_ros.inference.factory import check_engine


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "checkpoint"
    (made / "more").mkdir(parents=True)
    (made / ".git").mkdir()
    (made / "config.json").write_text("{}")
    (made / "more" / "notes.txt").write_text("notes")
    (made / ".git" / "HEAD").write_text("ref")
    lock.write_lock(made)
    return made


def test_the_lock_has_size_and_digest_of_every_file(directory: Path) -> None:
    written = lock.read_lock(directory)
    assert written.files == (
        LockedFile("config.json", 2, hashlib.sha256(b"{}").hexdigest()),
        LockedFile("more/notes.txt", 5, hashlib.sha256(b"notes").hexdigest()),
    )
    assert (written.repository, written.fetched) == ("", "")
    assert not lock.compare(directory)


@pytest.mark.handles(
    "Engine", "checkpoint that differs from its `taihri.lock`", "`taihri model verify` names the files"
)
def test_changed_missing_and_additional_files_are_named(directory: Path) -> None:
    (directory / "config.json").write_text("[]")
    (directory / "more" / "notes.txt").unlink()
    (directory / "more" / "other.txt").write_text("")
    (directory / ".git" / "HEAD").write_text("another")
    assert lock.compare(directory) == Differences(("config.json",), ("more/notes.txt",), ("more/other.txt",))


def test_a_second_lock_keeps_where_the_files_are_from(directory: Path) -> None:
    first = lock.write_lock(directory, repository="owner/name", revision="0" * 40, licence="mit")
    (directory / "config.json").write_text('{"a": 1}')
    second = lock.write_lock(directory)
    assert (second.repository, second.revision, second.licence) == ("owner/name", "0" * 40, "mit")
    assert second.fetched == first.fetched
    assert not lock.compare(directory)


@pytest.mark.handles(
    "Engine", "file of another size than in `taihri.lock`, at the start", "refused before anything is loaded, named"
)
def test_an_engine_does_not_start_with_files_of_another_size(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taihri_ros.inference.factory.check_installed", lambda *_: None)
    (directory / "config.json").write_text('{"a": 1}')
    with pytest.raises(CheckpointError, match=f"differs from its {FILE_NAME}, config.json has 8 bytes instead of 2: "):
        check_engine("transformers", str(directory))
    (directory / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config\.json is missing: fetch or copy it again"):
        lock.check_sizes(directory)


def test_additional_files_and_other_content_pass_the_check_of_sizes(directory: Path) -> None:
    (directory / "config.json").write_text("[]")
    (directory / "taihri.json").write_text("{}")
    lock.check_sizes(directory)


def test_a_checkpoint_without_a_lock_passes_the_check_of_sizes(directory: Path) -> None:
    (directory / FILE_NAME).unlink()
    lock.check_sizes(directory)
    lock.renew(directory, "config.json")
    assert not lock.has_lock(directory)
    with pytest.raises(CheckpointError, match="write one with `taihri model lock"):
        lock.compare(directory)


def test_a_file_that_the_package_changes_is_renewed(directory: Path) -> None:
    for content in ("{}", '{"name": "a"}'):
        (directory / "taihri.json").write_text(content)
        lock.renew(directory, "taihri.json")
        assert not lock.compare(directory)


@pytest.mark.handles("Engine", "`taihri.lock` that is not a lock", "refused, says how to write it again")
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"written": "", "files": "none"},
        {"written": "", "files": [{"name": "config.json", "bytes": 2, "sha256": "short"}]},
        {"written": "", "files": [{"name": "config.json", "bytes": "2", "sha256": "0" * 64}]},
        {"written": "", "files": [{"name": "config.json", "bytes": 2, "sha256": "0" * 64}] * 2},
        {"written": "", "files": [], "command": "rm"},
    ],
)
def test_a_file_that_is_not_a_lock_is_refused(directory: Path, values: object) -> None:
    (directory / FILE_NAME).write_text(json.dumps(values))
    for read in (lock.compare, lock.check_sizes):
        with pytest.raises(CheckpointError, match="again with `taihri model lock"):
            read(directory)


def test_a_pipe_among_the_files_does_not_block(directory: Path) -> None:
    os.mkfifo(directory / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"model\.safetensors is not a regular file"):
        lock.write_lock(directory)


def test_a_directory_without_files_or_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has no files"):
        lock.write_lock(tmp_path)
    with pytest.raises(CheckpointError, match="there is no checkpoint directory"):
        lock.write_lock(tmp_path / "missing")


def test_a_directory_that_cannot_be_written_is_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(TaihriError, match="cannot be written \\(Read-only file system\\)"):
        lock.write_lock(directory)

"""Files of an untrusted checkpoint: links, pipes and sizes, checked before anything is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from taihri_ros.inference.checkpoint.files import MAX_SETTINGS_BYTES, MAX_TABLE_BYTES, check_files, read_json
from taihri_ros.inference.engine import CheckpointError


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "checkpoint"
    made.mkdir()
    (made / "config.json").write_text('{"a": [1]}')
    return made


def test_regular_files_and_links_between_them_pass(directory: Path) -> None:
    (directory / "tokenizer.json").symlink_to("config.json")
    (directory / "README.md").symlink_to("/dev/zero")  # nothing opens it
    check_files(directory)
    assert read_json(directory / "tokenizer.json") == {"a": [1]}


@pytest.mark.handles("Engine", "checkpoint in the cache of Hugging Face, whose files are links", "loaded as it is")
def test_links_to_the_blobs_of_the_hub_cache_pass(tmp_path: Path) -> None:
    repository = tmp_path / "models--owner--name"
    snapshot = repository / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "blobs" / "abc").write_text("{}")
    (snapshot / "config.json").symlink_to("../../blobs/abc")
    check_files(snapshot)
    linked = tmp_path / "linked"
    linked.symlink_to(snapshot)
    check_files(linked)
    (snapshot / "tokenizer.json").symlink_to("../../../elsewhere")
    (tmp_path / "elsewhere").write_text("{}")
    with pytest.raises(CheckpointError, match="leads out of the checkpoint"):
        check_files(snapshot)


@pytest.mark.handles("Engine", "checkpoint with a link that leads out of it", "refused, names the link")
@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "/dev/zero", "/proc/self/environ"])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "merges.txt", "chat_template.jinja"])
def test_a_link_that_leads_out_is_refused(directory: Path, name: str, target: str) -> None:
    (directory.parent / "secret").touch()
    (directory / name).unlink(missing_ok=True)
    (directory / name).symlink_to(target)
    with pytest.raises(CheckpointError, match=f"{name} leads out of the checkpoint, to .*: put the file itself there$"):
        check_files(directory)


@pytest.mark.parametrize("target", ["nowhere", "added_tokens.json"])
def test_a_link_that_leads_nowhere_is_refused(directory: Path, target: str) -> None:
    (directory / "added_tokens.json").symlink_to(target)
    with pytest.raises(CheckpointError, match=r"cannot be read|is a link to itself") as caught:
        check_files(directory)
    assert "\n" not in str(caught.value)


@pytest.mark.handles("Engine", "checkpoint with a pipe or a device among its files", "refused; nothing waits for it")
def test_a_pipe_is_refused_and_does_not_block(directory: Path) -> None:
    os.mkfifo(directory / "tokenizer.json")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is not a regular file"):
        check_files(directory)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is not a regular file"):
        read_json(directory / "tokenizer.json")


def test_a_pipe_among_the_further_templates_is_refused(directory: Path) -> None:
    (directory / "additional_chat_templates").mkdir()
    os.mkfifo(directory / "additional_chat_templates" / "rag.jinja")
    with pytest.raises(CheckpointError, match=r"rag\.jinja is not a regular file"):
        check_files(directory)


@pytest.mark.handles("Engine", "checkpoint with a huge or deeply nested JSON file", "refused before it is read")
def test_sizes_are_checked_before_reading(directory: Path) -> None:
    path = directory / "vocab.json"
    with path.open("wb") as file:
        file.truncate(MAX_TABLE_BYTES + 1)  # a hole, which takes no space on the disk
    with pytest.raises(CheckpointError, match=rf"has {MAX_TABLE_BYTES + 1} bytes, but at most {MAX_TABLE_BYTES} "):
        check_files(directory)
    with path.open("wb") as file:
        file.truncate(MAX_SETTINGS_BYTES + 1)
    check_files(directory)
    with pytest.raises(CheckpointError, match=f"at most {MAX_SETTINGS_BYTES} are expected"):
        read_json(path)


def test_a_name_of_two_lines_is_refused_in_one(directory: Path) -> None:
    (directory / "a\nb.json").touch()
    with pytest.raises(CheckpointError, match=r"'a\\nb\.json'") as caught:
        check_files(directory)
    assert "\n" not in str(caught.value)


NOT_A_MAPPING = {
    "truncated": '{"a"',
    "list": "[]",
    "bytes": b"\xff\xfe\x00",
    "nested": '{"a":' * 40 + "1" + "}" * 40,
    "deep": "[" * 100_000,
    "digits": '{"a": ' + "9" * 100_000 + "}",
}


@pytest.mark.parametrize("name", NOT_A_MAPPING)
def test_what_is_no_json_mapping_is_refused_in_one_line(directory: Path, name: str) -> None:
    text = NOT_A_MAPPING[name]
    (directory / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CheckpointError, match=r"config\.json is (not|nested)") as caught:
        read_json(directory / "config.json")
    assert "\n" not in str(caught.value)

"""A checkpoint is fetched at one commit, without pickles and code, and every fault of a hub is one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import COMMIT, REPOSITORY, FakeHub, serve

from taihri_ros.inference.checkpoint.hub import fetch, look_up
from taihri_ros.inference.checkpoint.lock import FILE_NAME, compare, read_lock
from taihri_ros.inference.engine import CheckpointError, EngineError

FETCHED = ("LICENSE", "chat_template.jinja", "config.json", "merges.txt", "model.safetensors", "tokenizer.model")
OTHERS = ("README.md", "modeling.py", "original/config.json", "pytorch_model.bin", "training_args.pt")
CHUNK = 10 << 20
"""huggingface_hub writes to the disk after so many bytes."""


@pytest.fixture(scope="module")
def served() -> Iterator[FakeHub]:
    with serve(FakeHub({})) as hub:
        yield hub


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of this room have imported huggingface_hub offline."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


@pytest.fixture
def hub(served: FakeHub, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """A hub that works, with a small repository."""
    served.files = {name: name.encode() for name in (*FETCHED, *OTHERS)}
    served.card = {"license": "other", "license_name": "robots-only", "license_link": "https://example.org/terms"}
    served.refuses, served.error, served.broken, served.cut_after = 0, "", "", 0
    served.sent.clear()
    monkeypatch.setenv("HF_ENDPOINT", served.url)
    return served


@pytest.mark.handles("Engine", "`taihri model fetch` of a repository with pickles and code", "these are not fetched")
def test_only_safetensors_settings_and_licence_are_fetched(hub: FakeHub, tmp_path: Path) -> None:
    offer = look_up(REPOSITORY, "main")
    assert (offer.commit, offer.licence, offer.licence_link) == (COMMIT, "robots-only", "https://example.org/terms")
    assert (tuple(sorted(offer.files)), offer.others) == (FETCHED, OTHERS)
    assert fetch(offer, tmp_path / "model") == len(FETCHED)
    assert {name for name, _ in hub.sent} == set(FETCHED)
    lock = read_lock(tmp_path / "model")
    assert tuple(file.name for file in lock.files) == FETCHED
    assert (lock.repository, lock.revision, lock.licence) == (REPOSITORY, COMMIT, "robots-only")
    assert lock.fetched
    assert not compare(tmp_path / "model")


@pytest.mark.handles(
    "Engine", "`taihri model fetch`: a second copy of the weights", "not fetched, as it would be refused"
)
@pytest.mark.parametrize("weights", ["model.safetensors", "model.safetensors.index.json"])
def test_a_second_copy_of_the_weights_is_not_fetched(hub: FakeHub, weights: str) -> None:
    del hub.files["model.safetensors"]
    hub.files |= {weights: b"1", "model-00001-of-00001.safetensors": b"2", "consolidated.safetensors": b"3"}
    offer = look_up(REPOSITORY, "main")
    assert "consolidated.safetensors" in offer.others
    assert {weights, "model-00001-of-00001.safetensors"} <= offer.files.keys()
    del hub.files[weights], hub.files["model-00001-of-00001.safetensors"]
    assert "consolidated.safetensors" in look_up(REPOSITORY, "main").files


@pytest.mark.handles("Engine", "`taihri model fetch`: a connection that breaks", "continued at the byte where it broke")
def test_a_connection_that_breaks_is_continued(hub: FakeHub, tmp_path: Path) -> None:
    hub.files["model.safetensors"] = bytes(range(250)) * (CHUNK // 250 + 1000)
    hub.cut_after = CHUNK + 1000
    fetch(look_up(REPOSITORY, COMMIT), tmp_path)
    assert hub.sent[-2:] == [("model.safetensors", 0), ("model.safetensors", CHUNK)]
    assert (tmp_path / "model.safetensors").read_bytes() == hub.files["model.safetensors"]


def test_a_second_run_fetches_only_what_is_missing(hub: FakeHub, tmp_path: Path) -> None:
    hub.broken = "model.safetensors"
    hub.files[hub.broken] = bytes(100)  # the largest file is the last one
    offer = look_up(REPOSITORY, COMMIT)
    with pytest.raises(EngineError, match=r"400 Bad Request.* run the same command again"):
        fetch(offer, tmp_path)
    assert not (tmp_path / FILE_NAME).exists()
    hub.broken = ""
    hub.sent.clear()
    fetch(offer, tmp_path)
    assert hub.sent == [("model.safetensors", 0)]


@pytest.mark.handles(
    "Engine", "`taihri model fetch`: a file that is not the announced one", "removed and refused, no lock is written"
)
@pytest.mark.parametrize("content", [b"model.safetensorz", b"longer than announced"])
def test_a_file_that_was_not_announced_is_refused(hub: FakeHub, tmp_path: Path, content: bytes) -> None:
    offer = look_up(REPOSITORY, COMMIT)
    hub.files["model.safetensors"] = content
    with pytest.raises(CheckpointError, match=r"not those of the hub, model\.safetensors: they were removed"):
        fetch(offer, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()
    assert not (tmp_path / FILE_NAME).exists()


def test_a_directory_with_other_files_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("mine")
    with pytest.raises(CheckpointError, match=r"has files that robots/points does not have, notes\.md: choose another"):
        fetch(look_up(REPOSITORY, COMMIT), tmp_path)
    assert hub.sent == []


@pytest.mark.handles("Engine", "`taihri model fetch` of a repository without safetensors", "refused")
def test_a_repository_without_safetensors_is_refused(hub: FakeHub) -> None:
    del hub.files["model.safetensors"]
    with pytest.raises(CheckpointError, match="has no safetensors weights at 0123456789ab: ask its authors"):
        look_up(REPOSITORY, COMMIT)


@pytest.mark.handles("Engine", "`taihri model fetch`: errors of the hub", "one line each that says what to do")
@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (403, "GatedRepo", "is open to those only who have accepted its terms"),
        (401, "RepoNotFound", "that you may read: correct its name, or log in"),
        (404, "RevisionNotFound", "has no revision 'main': correct --revision"),
        (500, "", "answered 500: run the same command again later"),
        (429, "", "answered 429: run the same command again later"),
    ],
)
def test_an_error_of_the_hub_is_one_line(hub: FakeHub, status: int, error: str, message: str) -> None:
    hub.refuses, hub.error = status, error
    with pytest.raises(EngineError, match=message):
        look_up(REPOSITORY, "main")


@pytest.mark.parametrize("name", ["robots/..", "a/b/c", "../../etc", "robots/po ints"])
def test_a_name_that_is_no_repository_is_refused(hub: FakeHub, name: str) -> None:
    with pytest.raises(CheckpointError, match="is not the name of a repository: write OWNER/NAME"):
        look_up(name, "main")


def test_a_fetch_in_offline_mode_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EngineError, match="HF_HUB_OFFLINE is set: unset it"):
        look_up(REPOSITORY, "main")


@pytest.mark.handles("Engine", "`taihri model fetch` without a network", "one line, says what to do")
def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(EngineError, match=r"the hub http://127\.0\.0\.1:9 cannot be reached .*copy the checkpoint"):
        look_up(REPOSITORY, "main")

"""Fetching of a checkpoint from a Hugging Face hub, at one commit, with the files that a model needs and no others.

Weights come as safetensors; pickles and code are never fetched. This module runs in an engine's environment, as
`python -m`, because only that has huggingface_hub. HF_ENDPOINT and the access token are read by huggingface_hub.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from taihri_ros.inference.checkpoint.files import OPENED, some
from taihri_ros.inference.checkpoint.licence import LICENCE_FILE
from taihri_ros.inference.checkpoint.lock import FILE_NAME as LOCK
from taihri_ros.inference.checkpoint.lock import LockedFile, write_lock
from taihri_ros.inference.checkpoint.safetensors_header import INDEX
from taihri_ros.inference.engine import CheckpointError, EngineError
from taihri_ros.inference.framework_imports import require
from taihri_ros.inference.process.module_run import print_result
from taihri_ros.model.spec import FILE_NAME as SPEC

_WEIGHTS = ".safetensors"
_SECOND_COPY = "consolidated"
"""Some repositories hold the weights once more under names that begin so, for Mistral's loader."""
_LICENCE_SUFFIXES = ("", ".md", ".txt")
_DEFAULT_ENDPOINT = "https://huggingface.co"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TIMEOUT_S = 20.0
_OWN = (LOCK, SPEC)
"""Files that this package writes into a checkpoint."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Offer:
    """The files and the licence of a repository at one commit.

    Attributes:
        repository: Its name, `<owner>/<name>`.
        commit: The commit, 40 hexadecimal digits.
        licence: Licence in its model card; empty if none is stated.
        licence_link: Address of the licence's text, if the model card has one.
        files: Sizes of the files to fetch by name, bytes; 0 where the hub does not state it.
        digests: SHA-256 by name, for the files for which the hub states it.
        others: Names of the files that are not fetched.
    """

    repository: str
    commit: str
    licence: str
    licence_link: str
    files: Mapping[str, int]
    digests: Mapping[str, str]
    others: tuple[str, ...]


def look_up(repository: str, revision: str) -> Offer:
    """Look up what a repository has, and to which commit a revision resolves.

    Args:
        repository: Its name, `<owner>/<name>`.
        revision: A commit, a tag or a branch.

    Returns:
        The offer.

    Raises:
        CheckpointError: There is no such repository or revision, access is refused, or it has no safetensors weights.
        EngineError: The hub cannot be reached, or huggingface_hub is not installed.
    """
    hub = require("huggingface_hub", "transformers")
    api = hub.HfApi(endpoint=_endpoint())
    found = _asked(
        repository,
        revision,
        lambda: api.model_info(repository, revision=revision, files_metadata=True, timeout=_TIMEOUT_S),
    )
    commit = found.sha or ""
    if not _COMMIT.fullmatch(commit):
        raise EngineError(f"the hub {_endpoint()} does not name the commit of {repository}: set HF_ENDPOINT to a hub")
    files = {each.rfilename: each for each in found.siblings or ()}
    chosen = {name: each for name, each in files.items() if _is_fetched(name)}
    if chosen.keys() & {"model.safetensors", INDEX}:
        chosen = {name: each for name, each in chosen.items() if not name.startswith(_SECOND_COPY)}
    if not any(name.endswith(_WEIGHTS) for name in chosen):
        raise CheckpointError(
            f"{repository} has no safetensors weights at {commit[:12]}: ask its authors for them; pickles are never "
            "fetched, because they may run code"
        )
    card: Mapping[str, Any] = found.card_data.to_dict() if found.card_data else {}
    return Offer(
        repository=repository,
        commit=commit,
        licence=str(card.get("license_name") or card.get("license") or ""),
        licence_link=str(card.get("license_link") or ""),
        files={name: each.size or 0 for name, each in chosen.items()},
        digests={name: each.lfs["sha256"] for name, each in chosen.items() if each.lfs},
        others=tuple(sorted(files.keys() - chosen.keys())),
    )


def fetch(offer: Offer, directory: Path) -> int:
    """Fetch the files of an offer, compare them with what the hub states, and write the lock.

    A download that breaks is resumed where it stopped. Files that an earlier run has completed are kept.

    Args:
        offer: The result of `look_up`.
        directory: Directory to write.

    Returns:
        Number of files.

    Raises:
        CheckpointError: The directory has other files, or a file is not the one that the hub has announced.
        EngineError: The hub cannot be reached, the disk is full, or huggingface_hub is not installed.
    """
    download = require("huggingface_hub", "transformers").hf_hub_download
    _check_target(offer, directory)
    for name in sorted(offer.files, key=lambda name: offer.files[name]):
        place = {"revision": offer.commit, "local_dir": directory, "endpoint": _endpoint()}
        _asked(offer.repository, offer.commit, functools.partial(download, offer.repository, name, **place))
    lock = write_lock(directory, repository=offer.repository, revision=offer.commit, licence=offer.licence)
    if wrong := [file.name for file in lock.files if not _is_announced(offer, file)]:
        for name in (*wrong, LOCK):
            (directory / name).unlink()
        raise CheckpointError(
            f"{directory} had files that are not those of the hub, {some(wrong)}: they were removed, so run the same "
            "command again"
        )
    return len(offer.files)


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT") or _DEFAULT_ENDPOINT


def _is_fetched(name: str) -> bool:
    """Return whether a file is one of a model, in the repository's outermost directory."""
    suffix = Path(name).suffix
    is_licence = suffix.lower() in _LICENCE_SUFFIXES and LICENCE_FILE.fullmatch(name) is not None
    return "/" not in name and name.isprintable() and (suffix in OPENED or is_licence)


def _asked(repository: str, revision: str, ask: Callable[[], _T]) -> _T:
    """Call the hub and return its result; its errors are raised with messages of one line."""
    errors = require("huggingface_hub.errors", "transformers")
    place = f"the hub {_endpoint()}"
    try:
        return ask()
    except errors.GatedRepoError as error:
        raise CheckpointError(
            f"{repository} is open to those only who have accepted its terms: accept them on {_endpoint()}/"
            f"{repository}, then log in with `hf auth login`"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise CheckpointError(
            f"{place} has no model {repository!r} that you may read: correct its name, or log in with `hf auth login`"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise CheckpointError(f"{repository} has no revision {revision!r}: correct --revision") from error
    except errors.HFValidationError as error:
        raise CheckpointError(f"{repository!r} is not the name of a repository: write OWNER/NAME") from error
    except errors.OfflineModeIsEnabled as error:
        raise EngineError("HF_HUB_OFFLINE is set: unset it to fetch a checkpoint") from error
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "an error")
        raise EngineError(f"{place} answered {status}: run the same command again later") from error
    except Exception as error:  # the HTTP library, and so the class of its errors, differs between versions
        raise EngineError(
            f"{place} cannot be reached or what it sends cannot be stored ({_reason(error)}): run the same command "
            "again where there is a network and enough disk, or copy the checkpoint from another machine"
        ) from error


def _reason(error: BaseException) -> str:
    """Return the first line of the innermost cause of an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _check_target(offer: Offer, directory: Path) -> None:
    if directory.is_dir():
        others = sorted(
            path.name
            for path in directory.iterdir()
            if path.name not in (*offer.files, *_OWN) and not path.name.startswith(".")
        )
        if others:
            raise CheckpointError(
                f"{directory} has files that {offer.repository} does not have, {some(others)}: choose another "
                "directory with --out"
            )


def _is_announced(offer: Offer, file: LockedFile) -> bool:
    """Return whether a file, which may also come from an earlier run, has the announced size and digest."""
    size, digest = offer.files.get(file.name, 0), offer.digests.get(file.name)
    return size in (0, file.bytes) and digest in (None, file.sha256)


def main() -> None:
    """Print an offer as JSON, or fetch its files and print their number."""
    parser = argparse.ArgumentParser(description="Look up or fetch a checkpoint of a Hugging Face hub.")
    parser.add_argument("repository")
    parser.add_argument("revision")
    parser.add_argument("--into", type=Path, help="directory to write; without it, print what there is")
    arguments = parser.parse_args()

    def run() -> object:
        offer = look_up(arguments.repository, arguments.revision)
        return dataclasses.asdict(offer) if arguments.into is None else fetch(offer, arguments.into)

    print_result(run)


if __name__ == "__main__":
    main()

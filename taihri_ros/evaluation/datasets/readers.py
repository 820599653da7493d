"""Selection of the reader for the format of a data set."""

from __future__ import annotations

from pathlib import Path

from taihri_ros.evaluation.datasets.archives import open_archive
from taihri_ros.evaluation.datasets.items import Data, DataError
from taihri_ros.evaluation.datasets.manifest import open_manifest
from taihri_ros.evaluation.datasets.synthetic_people import open_synthetic
from taihri_ros.resources import expand_home

KINDS = ("synthetic", "manifest", "harmony4d", "egobody", "spec")
"""The supported formats."""

_ARCHIVES = (".npz", ".npy")


def open_data(text: str, *, kind: str | None = None, images: Path | None = None) -> Data:
    """Open a data set.

    Args:
        text: `PATH`, or `KIND:PATH`.
        kind: Format; None to detect it from the path.
        images: Directory that the image paths of an archive are relative to.

    Returns:
        The data set.

    Raises:
        DataError: The data set does not exist, its format is not detected, or it does not have this format.
    """
    prefix, colon, rest = text.partition(":")
    if colon and prefix in KINDS:
        if kind not in (None, prefix):
            raise DataError(f"{text!r} has the format {prefix}, but --format is {kind}: omit one")
        kind, text = prefix, rest
    path = expand_home(text)
    if not path.exists():
        raise DataError(f"there is no data set {text!r}")
    if not path.is_dir() and not path.is_file():
        raise DataError(f"{path} is neither a file nor a directory: specify the file of the data set")
    kind = kind or _detect(path)
    if path.is_dir() != (kind == "synthetic"):
        raise DataError(f"{path} is {'a directory' if path.is_dir() else 'a file'}: {_WANTED[kind]}")
    if kind == "synthetic":
        return open_synthetic(path)
    return open_manifest(path) if kind == "manifest" else open_archive(kind, path, images)


_WANTED = {
    "synthetic": "for synthetic data specify the directory with the Parquet files",
    "manifest": "specify the manifest file itself",
    **dict.fromkeys(("harmony4d", "egobody", "spec"), "specify the .npz or .npy file itself"),
}


def _detect(path: Path) -> str:
    if path.is_dir():
        return "synthetic"
    if path.suffix in (".jsonl", ".json"):
        return "manifest"
    name = path.name.lower()
    found = [
        kind
        for kind, words in {"harmony4d": ["harmony4d"], "egobody": ["egobody", "egocapture"], "spec": ["spec"]}.items()
        if path.suffix in _ARCHIVES and any(word in name for word in words)
    ]
    if len(found) != 1:
        raise DataError(f"cannot detect the format of {path} from its name: set --format to one of {', '.join(KINDS)}")
    return found[0]

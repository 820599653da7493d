"""The files of a tokenizer, in each form in which transformers saves it.

A fast tokenizer is one file, `tokenizer.json`. A slow one is `vocab.json` and `merges.txt`, with the added tokens in
`added_tokens.json` or in the entry `added_tokens_decoder` of `tokenizer_config.json`. Both are converted to the
content of `tokenizer.json`, as transformers' AutoTokenizer does. Several files may name the same token; they must agree
on its id.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from taihri_ros.inference.checkpoint.files import COPY_AGAIN, MAX_TABLE_BYTES, open_regular, read_json, unreadable
from taihri_ros.inference.engine import CheckpointError
from taihri_ros.inference.framework_imports import require

FAST, VOCABULARY, MERGES = "tokenizer.json", "vocab.json", "merges.txt"
ADDED, SETTINGS, DECODER = "added_tokens.json", "tokenizer_config.json", "added_tokens_decoder"

_MAX_ID = 1 << 22
"""Limit of token ids; Qwen3 has 151,936."""

_SLOW_CLASS = "Qwen2Tokenizer"
"""transformers' class of the tokenizer of Qwen2 and Qwen3, whose slow files can be converted."""

_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")

_MODEL_OPTIONS = (
    *("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"),
    *("fuse_unk", "byte_fallback", "ignore_merges"),
)

AddedToken = dict[str, Any]
"""An added token as `tokenizer.json` describes it: `id`, `content` and flags."""


def read_tokenizer(directory: Path) -> dict[str, Any]:
    """Read the tokenizer of a checkpoint.

    Args:
        directory: The checkpoint's directory.

    Returns:
        The tokenizer in the form of `tokenizer.json`.

    Raises:
        CheckpointError: A file is missing or invalid, or two files contradict each other.
        EngineError: transformers is not installed.
    """
    settings = read_json(directory / SETTINGS) if (directory / SETTINGS).is_file() else {}
    slow = _read_slow(directory)
    if (directory / FAST).is_file():
        source, tokenizer = FAST, read_json(directory / FAST, MAX_TABLE_BYTES)
        if not isinstance(tokenizer.get("model"), dict):
            raise _invalid(directory / FAST, "it has no model")
        if slow:
            _compare(directory, tokenizer["model"], slow)
    elif slow:
        source, tokenizer = VOCABULARY, _as_fast(directory, slow, settings)
    else:
        raise CheckpointError(f"{directory} has neither {FAST} nor both {VOCABULARY} and {MERGES}: {COPY_AGAIN}")
    vocabulary = _checked_ids(directory / source, tokenizer["model"].get("vocab"))
    added = _read_added(directory, tokenizer.get("added_tokens"), settings)
    _check_agreement(directory, vocabulary, added)
    return tokenizer | {"added_tokens": added}


def build_tokenizers(tokenizer: Mapping[str, Any], control: frozenset[str]) -> tuple[Any, Any]:
    """Build a tokenizer twice: as it is, and as one that reads control tokens as ordinary text.

    Args:
        tokenizer: The result of `read_tokenizer`.
        control: The tokens that the second one never returns, in addition to all added ones.

    Returns:
        Both as `tokenizers.Tokenizer`.

    Raises:
        EngineError: The package tokenizers is not installed.
        Exception: The content is invalid; tokenizers raises no class of its own.
    """
    library = require("tokenizers", "transformers")
    model, added = tokenizer["model"], tokenizer["added_tokens"]
    vocabulary, merges = model["vocab"], list(map(_pair, model["merges"]))
    options = {name: model[name] for name in _MODEL_OPTIONS if model.get(name) is not None}
    ids = {token["content"]: token["id"] for token in added}
    rest = {"added_tokens": [], "truncation": None, "padding": None, "model": model | {"vocab": {}, "merges": []}}
    frame = json.dumps({**tokenizer, **rest})
    whole, plain = library.Tokenizer.from_str(frame), library.Tokenizer.from_str(frame)
    whole.model = plain.model = library.models.BPE(vocabulary | ids, merges, **options)
    whole.add_tokens([library.AddedToken(**{name: token[name] for name in ("content", *_FLAGS)}) for token in added])
    removed = control | ids.keys()
    if not removed.isdisjoint(vocabulary) or model.get("ignore_merges"):
        plain.model = library.models.BPE(
            {text: token for text, token in vocabulary.items() if text not in removed},
            [pair for pair in merges if removed.isdisjoint((*pair, "".join(pair)))],
            **options,
        )
    return whole, plain


def missing_ids(tokenizer: Mapping[str, Any]) -> list[int]:
    """Return the ids below the largest one of a tokenizer from `read_tokenizer` that no token has."""
    known = {*tokenizer["model"]["vocab"].values(), *(token["id"] for token in tokenizer["added_tokens"])}
    return [token for token in range(max(known, default=0)) if token not in known]


def write_without_gaps(directory: Path, target: Path) -> None:
    """Write a tokenizer with a token for every id, so that transformers keeps the ids of the other tokens.

    transformers numbers added tokens without gaps. A token that is also in the vocabulary keeps its id.

    Args:
        directory: The checkpoint's directory.
        target: An existing directory for the new files.
    """
    tokenizer = read_tokenizer(directory)
    ids = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    ids |= {f"<|id_without_token_{token}|>": token for token in missing_ids(tokenizer)}
    model = tokenizer["model"]
    complete = {**tokenizer, "model": {**model, "vocab": model["vocab"] | ids}}
    (target / FAST).write_text(json.dumps(complete), encoding="utf-8")
    for name in (SETTINGS, "config.json"):
        if (directory / name).is_file():
            shutil.copyfile(directory / name, target / name)


def _read_slow(directory: Path) -> dict[str, Any]:
    """Return vocabulary and merges of a slow tokenizer; empty if either file is missing."""
    if not (directory / VOCABULARY).is_file() or not (directory / MERGES).is_file():
        return {}
    path = directory / MERGES
    try:
        with open_regular(path) as file:
            lines = file.read(MAX_TABLE_BYTES).decode().split("\n")
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise _invalid(path, str(error)) from error
    pairs = [line.split() for line in lines[lines[0].startswith("#version") :]]
    if any(len(pair) not in (0, 2) for pair in pairs):
        raise _invalid(path, "a line is not a pair of tokens")
    return {"vocab": read_json(directory / VOCABULARY, MAX_TABLE_BYTES), "merges": [pair for pair in pairs if pair]}


def _compare(directory: Path, model: Mapping[str, Any], slow: Mapping[str, Any]) -> None:
    """Check that the vocabulary and the merges of slow files are those of `tokenizer.json`."""
    vocabulary = _checked_ids(directory / FAST, model.get("vocab"))
    for text, token in _checked_ids(directory / VOCABULARY, slow["vocab"]).items():
        if vocabulary.get(text, token) != token:
            raise _contradiction(directory, FAST, VOCABULARY, f"the id of {text!r} is {vocabulary[text]} or {token}")
    merges = model.get("merges")
    if not isinstance(merges, list) or [list(_pair(pair)) for pair in merges] != slow["merges"]:
        raise _contradiction(directory, FAST, MERGES, "they merge other tokens")


def _as_fast(directory: Path, slow: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a slow Qwen2 tokenizer to the content of `tokenizer.json`."""
    name = settings.get("tokenizer_class", _SLOW_CLASS)
    if not isinstance(name, str) or name.removesuffix("Fast") != _SLOW_CLASS:
        raise CheckpointError(
            f"{directory / SETTINGS} has tokenizer_class {name!r}, which is understood with {FAST} only: "
            "use a TAIHRI checkpoint with its own tokenizer"
        )
    words = require("transformers.models.qwen2.tokenization_qwen2", "transformers").PRETOKENIZE_REGEX
    bytes_ = {"type": "ByteLevel", "add_prefix_space": bool(settings.get("add_prefix_space")), "trim_offsets": True}
    split = {"type": "Split", "pattern": {"Regex": words}, "behavior": "Isolated", "invert": False}
    return {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, bytes_ | {"use_regex": False}]},
        "decoder": bytes_ | {"use_regex": True},
        "model": {"type": "BPE", **slow},
    }


def _read_added(directory: Path, listed: object, settings: Mapping[str, Any]) -> list[AddedToken]:
    """Return the added tokens of all files by ascending id; where files state different flags, the last file counts."""
    files: dict[str, list[AddedToken]] = {}
    if (directory / ADDED).is_file():
        ids = _checked_ids(directory / ADDED, read_json(directory / ADDED))
        files[ADDED] = [{"content": text, "id": token} for text, token in ids.items()]
    files[FAST] = [_entry(directory / FAST, entry) for entry in _values(directory / FAST, listed or [])]
    decoder = settings.get(DECODER) or {}
    if not isinstance(decoder, dict):
        raise _invalid(directory / SETTINGS, f"{DECODER} is not a mapping")
    files[SETTINGS] = [_numbered_entry(directory / SETTINGS, token, entry) for token, entry in decoder.items()]
    found: dict[str, tuple[str, AddedToken]] = {}
    texts: dict[int, tuple[str, str]] = {}
    for name, tokens in files.items():
        for token in tokens:
            text, number = token["content"], token["id"]
            other, known = found.get(text, (name, token))
            if known["id"] != number:
                raise _contradiction(directory, other, name, f"the id of {text} is {known['id']} or {number}")
            other, holder = texts.setdefault(number, (name, text))
            if holder != text:
                raise _contradiction(directory, other, name, f"the token {number} is {holder} or {text}")
            found[text] = name, dict.fromkeys(_FLAGS, False) | known | token
    return sorted((token for _, token in found.values()), key=lambda token: int(token["id"]))


def _check_agreement(directory: Path, vocabulary: Mapping[str, int], added: list[AddedToken]) -> None:
    """Check that each added token has its id of the vocabulary, or else an id that the vocabulary does not use."""
    texts = {token: text for text, token in vocabulary.items()}
    for token in added:
        text, number = token["content"], token["id"]
        if vocabulary.get(text, number) != number or texts.get(number, text) != text:
            raise CheckpointError(
                f"the tokenizer of {directory} contradicts itself, because the id of {text} is {number} as an added "
                f"token, but in the vocabulary that is {texts.get(number)!r}: use the files of the training"
            )


def _checked_ids(path: Path, ids: object) -> dict[str, int]:
    """Check a table of ids by text."""
    if not isinstance(ids, dict) or any(type(token) is not int or not 0 <= token < _MAX_ID for token in ids.values()):
        raise _invalid(path, f"it has no vocabulary with ids from 0 to {_MAX_ID - 1}")
    return ids


def _values(path: Path, listed: object) -> Iterator[AddedToken]:
    if not isinstance(listed, list):
        raise _invalid(path, "added_tokens is not a list")
    for entry in listed:
        if not isinstance(entry, dict):
            raise _invalid(path, f"the added token {entry!r:.50} is not a mapping")
        yield entry


def _numbered_entry(path: Path, token: str, entry: object) -> AddedToken:
    """Check an added token whose id is the key of its entry."""
    if not token.isdecimal() or len(token) > len(str(_MAX_ID)) or not isinstance(entry, dict):
        raise _invalid(path, f"{DECODER} has the entry {token!r:.50}")
    return _entry(path, {**entry, "id": int(token)})


def _entry(path: Path, entry: AddedToken) -> AddedToken:
    """Check an added token, and return its id, its content and those flags that are given."""
    text, token = entry.get("content"), entry.get("id")
    if not isinstance(text, str) or not text or type(token) is not int or not 0 <= token < _MAX_ID:
        raise _invalid(path, f"an added token has the content {text!r:.50} and the id {token!r:.50}")
    return {"content": text, "id": token} | {flag: bool(entry[flag]) for flag in _FLAGS if flag in entry}


def _pair(merge: object) -> tuple[str, ...]:
    """Return the two tokens of a merge, which `tokenizer.json` writes as a list or as one text."""
    return tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) if isinstance(merge, list) else ()


def _invalid(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(f"{path} cannot be read ({reason}): {COPY_AGAIN}")


def _contradiction(directory: Path, one: str, other: str, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{one} and {other} in {directory} contradict each other ({reason}): use the files that the model was trained "
        "with, and remove those of another"
    )

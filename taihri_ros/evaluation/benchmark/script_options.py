"""Command line options and output that the benchmark scripts share."""

from __future__ import annotations

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from taihri_ros.resources import NANO

ENGINES = ("vllm", "transformers")
"""The engines that run a language model on this machine."""


def make_parser(
    description: str | None,
    *,
    engine: str | None = None,
    engines: tuple[str, ...] = ENGINES,
    images: int | None = None,
    with_model: bool = False,
) -> ArgumentParser:
    """Create the parser of a benchmark script, with the option `--out`.

    Args:
        description: Docstring of the script.
        engine: Default of `--engine`; None for a script without an engine.
        engines: Choices of `--engine`.
        images: Default of `--images`; None for a script without this option.
        with_model: Whether there is an option `--model`, with taihri-nano as its default.

    Returns:
        The parser.
    """
    parser = ArgumentParser(description=description, formatter_class=RawDescriptionHelpFormatter)
    if engine is not None:
        parser.add_argument("--engine", default=engine, choices=engines, help=f"default: {engine}")
    if with_model:
        parser.add_argument("--model", default=str(NANO), help="checkpoint (default: taihri-nano)")
    if images is not None:
        parser.add_argument("--images", type=int, default=images, help=f"images in each case (default: {images})")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    return parser


def write_json(path: Path | None, results: Any) -> None:
    """Write results to a file and create its directory.

    Args:
        path: The file; None to write nothing.
        results: The results, in JSON types.
    """
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def print_rows(rows: list[dict[str, Any]]) -> None:
    """Print one line for each row of results.

    Args:
        rows: The rows.
    """
    for row in rows:
        print(row)

"""`taihri synth`: synthetic people with exact labels, as Parquet."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taihri_ros.errors import TaihriError

if TYPE_CHECKING:
    from taihri_ros.synthetic.dataset import Sample


@click.command("synth")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Directory for the shards.")
@click.option("--count", type=click.IntRange(min=1), default=1000, show_default=True, help="How many samples.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides every sample.")
@click.option("--size", type=click.IntRange(64, 1024), default=224, show_default=True, help="Longer side, pixels.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@click.option("--start-index", type=click.IntRange(min=0), default=0, help="Number of the first sample.")
@click.option("--test-split", is_flag=True, help="Make the frozen test split, and check it.")
@click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), help="Write a contact sheet of the first 48.")
def command(
    *,
    out: Path | None,
    count: int,
    seed: int,
    size: int,
    workers: int,
    start_index: int,
    test_split: bool,
    sheet: Path | None,
) -> None:
    """Make synthetic people in front of a robot, with exact labels, as Parquet for Hugging Face datasets.

    Shards that are there already are kept, so an interrupted run goes on where it ended. The first run on a machine
    builds the body model's cache (50 MB in ANNY_CACHE_DIR) and compiles the renderer, which takes a minute.

    \b
    Examples:
      taihri synth --count 20000 --seed 1 --out data/train --workers 2
      taihri synth --count 48 --seed 7 --sheet out.png
      taihri synth --test-split --out data/test
    """
    if out is None and sheet is None:
        raise click.UsageError("say where to: --out DIR, --sheet FILE, or both")
    make, split = _import("make"), _import("test_split")
    job = make.Job(out or Path(), seed, count, size, start_index)
    if test_split:
        job = split.job(out or Path())
    elif seed == split.SEED:
        raise click.BadParameter(f"{seed} is the seed of the frozen test split: use --test-split", param_hint="--seed")
    if out is not None:
        with click.progressbar(make.run(job, workers), length=job.shards, label=f"{job.count} samples") as steps:
            for _ in steps:
                pass
        if test_split:
            split.check(out)
    if sheet is not None:
        _write_sheet(sheet, make.first_samples(job.seed, min(job.count, 48), job.size, job.start))


def _write_sheet(path: Path, samples: list[Sample]) -> None:
    import cv2

    picture = _import("sheet").contact_sheet(samples, columns=4)
    if not cv2.haveImageWriter(str(path)):
        raise click.BadParameter(f"{str(path)!r} must end in .png or .jpg", param_hint="--sheet")
    if not cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
        raise TaihriError(f"cannot write {path}: check its directory")


def _import(name: str) -> Any:
    try:
        return importlib.import_module(f"taihri_ros.synthetic.{name}")
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("taihri_ros"):
            raise
        raise TaihriError(f"{error.name} is not installed: pip install 'taihri_ros[synthetic]'") from error

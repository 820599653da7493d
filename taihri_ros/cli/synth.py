"""`taihri synth`: generate synthetic people with exact labels as Parquet."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from taihri_ros.camera.picture_files import check_picture_name, write_picture
from taihri_ros.cli.extras import import_from

if TYPE_CHECKING:
    from taihri_ros.synthetic.dataset import Sample

_import = partial(import_from, "synthetic", extra="synthetic")
"""Import a module of the room synthetic by its name."""


@click.command("synth")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Output directory of the shards.")
@click.option("--count", type=click.IntRange(min=1), default=1000, show_default=True, help="Number of samples.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the data set.")
@click.option("--size", type=click.IntRange(64, 1024), default=224, show_default=True, help="Longer side, px.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Number of processes.")
@click.option("--start-index", type=click.IntRange(min=0), default=0, help="Index of the first sample.")
@click.option(
    "--style",
    type=click.Choice(["lifelike", "plain", "outdoor"]),
    default="lifelike",
    show_default=True,
    help="Look of people and rooms; outdoor is for tests only.",
)
@click.option(
    "--people", type=click.IntRange(1, 4), default=1, show_default=True, help="Labelled people in each picture."
)
@click.option("--test-split", is_flag=True, help="Generate and verify the frozen test split.")
@click.option("--empty-rooms", is_flag=True, help="Write JPEG pictures of rooms without people instead.")
@click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), help="Contact sheet of the first 48 samples.")
def command(
    *,
    out: Path | None,
    count: int,
    seed: int,
    size: int,
    workers: int,
    start_index: int,
    style: str,
    people: int,
    test_split: bool,
    empty_rooms: bool,
    sheet: Path | None,
) -> None:
    """Generate synthetic people in front of a robot with exact labels, as Parquet for Hugging Face datasets.

    Existing shards are kept, so an interrupted run resumes. The first run on a machine builds the cache of the body
    model (50 MB in ANNY_CACHE_DIR) and compiles the renderer, which takes a minute.

    \b
    Examples:
      taihri synth --count 20000 --seed 1 --out data/train --workers 2
      taihri synth --count 48 --seed 7 --sheet out.png
      taihri synth --count 1000 --seed 8 --people 3 --size 320 --out data/groups
      taihri synth --test-split --out data/test
      taihri synth --empty-rooms --count 500 --seed 1 --out data/backgrounds
    """
    if out is None and sheet is None:
        raise click.UsageError("specify the output: --out DIR, --sheet FILE, or both")
    if sheet is not None:
        check_picture_name(sheet)
    if empty_rooms:
        if out is None:
            raise click.UsageError("specify the directory of the pictures: --out DIR")
        made = _import("empty_rooms").write_empty_rooms(out, seed, count, size)
        with click.progressbar(made, length=count, label=f"{count} rooms") as steps:
            for _ in steps:
                pass
        return
    generation, split = _import("generation"), _import("frozen_split")
    job = generation.Job(out or Path(), seed, count, size, start_index, style, people)
    if test_split:
        job = split.job(out or Path())
    elif seed == split.SEED:
        raise click.BadParameter(
            f"{seed} is reserved for the frozen test split: use --test-split or another seed", param_hint="--seed"
        )
    if out is not None:
        with click.progressbar(generation.run(job, workers), length=job.shards, label=f"{job.count} samples") as steps:
            for _ in steps:
                pass
        if test_split:
            split.check(out)
    if sheet is not None:
        shown = min(job.count, 48)
        _write_sheet(sheet, generation.make_samples(job.seed, shown, job.size, job.start, job.style, job.people))


def _write_sheet(path: Path, samples: list[Sample]) -> None:
    write_picture(path, _import("contact_sheet").contact_sheet(samples, columns=4))

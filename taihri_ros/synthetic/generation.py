"""Many samples, shard by shard, by one or more processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from taihri_ros.synthetic.dataset import DatasetError, Sample, shard_path, write_shard
from taihri_ros.synthetic.people.body import body_model
from taihri_ros.synthetic.sample import VIEWS, Generator

SHARD = 1000
"""Samples in a shard; a multiple of `VIEWS`."""

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Numerical libraries read these when they are loaded; small matrices gain nothing from more threads."""


@dataclass(frozen=True)
class Job:
    """Samples to make.

    Attributes:
        directory: Where the shards go.
        seed: The seed.
        count: How many samples.
        size: The longer side of the pictures, pixels.
        start: Number of the first sample.
    """

    directory: Path
    seed: int
    count: int
    size: int
    start: int = 0

    @property
    def shards(self) -> int:
        """How many shards the samples fill."""
        return -(-self.count // SHARD)

    def bounds(self, shard: int) -> tuple[int, int]:
        """Give the first sample of a shard and the one after its last."""
        first = self.start + shard * SHARD
        return first, min(first + SHARD, self.start + self.count)

    def path(self, shard: int) -> Path:
        """Name a shard by the number of its first sample, in thousands."""
        return shard_path(self.directory, self.start // SHARD + shard)


def run(job: Job, workers: int = 1) -> Iterator[Path]:
    """Make what is missing.

    Args:
        job: What to make.
        workers: How many processes.

    Yields:
        The path of each shard, those that were there first.

    Raises:
        DatasetError: The directory cannot be written.
    """
    if job.start % SHARD:
        raise DatasetError(f"the first sample must be a multiple of {SHARD}, not {job.start}: shards are named by it")
    try:
        job.directory.mkdir(parents=True, exist_ok=True)
        for unfinished in job.directory.glob("*.part"):
            unfinished.unlink()
    except OSError as error:
        raise DatasetError(f"cannot write to {job.directory}: {error}") from error
    missing = []
    for shard in range(job.shards):
        if job.path(shard).exists():
            yield job.path(shard)
        else:
            missing.append(shard)
    if not missing:
        return
    body_model()  # builds anny's cache, once
    os.environ.update(_ONE_THREAD)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for finished in as_completed([pool.submit(_make_shard, job, shard) for shard in missing]):
            yield finished.result()


def first_samples(seed: int, count: int, size: int, start: int = 0) -> list[Sample]:
    """Make some samples in this process.

    Args:
        seed: The seed.
        count: How many.
        size: The longer side of the pictures, pixels.
        start: Number of the first.

    Returns:
        The samples.
    """
    generator = Generator(seed, size)
    first, last = start // VIEWS, -(-(start + count) // VIEWS)
    made = [sample for group in range(first, last) for sample in generator.group(group)]
    return made[start - first * VIEWS :][:count]


def _make_shard(job: Job, shard: int) -> Path:
    first, end = job.bounds(shard)
    samples = first_samples(job.seed, end - first, job.size, first)
    try:
        write_shard(job.path(shard), samples)
    except OSError as error:
        raise DatasetError(f"cannot write {job.path(shard)}: {error}") from error
    return job.path(shard)

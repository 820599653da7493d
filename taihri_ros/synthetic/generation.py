"""Generation of many samples, shard by shard, in one or more processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path

from taihri_ros.synthetic.dataset import DatasetError, Sample, shard_path, write_shard
from taihri_ros.synthetic.people.body import body_model
from taihri_ros.synthetic.sample import VIEWS, Generator, Style
from taihri_ros.synthetic.worker_pool import worker_pool

SHARD_SIZE = 1000
"""Samples per shard; a multiple of `VIEWS`."""

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Environment of the worker processes; small matrices gain nothing from more threads."""


@dataclass(frozen=True)
class Job:
    """A set of samples to generate.

    Attributes:
        directory: Output directory of the shards.
        seed: Seed of the data set.
        count: Number of samples.
        size: Longer side of the pictures, px.
        start: Index of the first sample.
        style: Look of people and rooms.
        people: Number of labelled people in each picture.
    """

    directory: Path
    seed: int
    count: int
    size: int
    start: int = 0
    style: Style = "plain"
    people: int = 1

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.count // SHARD_SIZE)

    def bounds(self, shard: int) -> tuple[int, int]:
        """Return the index of the first sample of a shard and the index after its last."""
        first = self.start + shard * SHARD_SIZE
        return first, min(first + SHARD_SIZE, self.start + self.count)

    def path(self, shard: int) -> Path:
        """Return the path of a shard, numbered by its first sample in thousands."""
        return shard_path(self.directory, self.start // SHARD_SIZE + shard)


def run(job: Job, workers: int = 1) -> Iterator[Path]:
    """Generate the missing shards.

    Args:
        job: Samples to generate.
        workers: Number of processes.

    Yields:
        The path of each shard; existing shards come first.

    Raises:
        DatasetError: The first index is not a multiple of the shard size, or the directory cannot be written.
    """
    if job.start % SHARD_SIZE:
        raise DatasetError(f"the start index must be a multiple of {SHARD_SIZE}, not {job.start}")
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
    body_model()  # builds anny's cache before the workers start
    os.environ.update(_ONE_THREAD)
    with worker_pool(workers) as pool:
        for finished in as_completed([pool.submit(_make_shard, job, shard) for shard in missing]):
            yield finished.result()


def make_samples(
    seed: int, count: int, size: int, start: int = 0, style: Style = "plain", people: int = 1
) -> list[Sample]:
    """Generate samples in this process.

    Args:
        seed: Seed of the data set.
        count: Number of samples.
        size: Longer side of the pictures, px.
        start: Index of the first sample.
        style: Look of people and rooms.
        people: Number of labelled people in each picture.

    Returns:
        The samples, in order.
    """
    generator = Generator(seed, size, style, people)
    first, last = start // VIEWS, -(-(start + count) // VIEWS)
    made = [sample for group in range(first, last) for sample in generator.group(group)]
    return made[start - first * VIEWS :][:count]


def _make_shard(job: Job, shard: int) -> Path:
    first, end = job.bounds(shard)
    samples = make_samples(job.seed, end - first, job.size, first, job.style, job.people)
    try:
        write_shard(job.path(shard), samples)
    except OSError as error:
        raise DatasetError(f"cannot write {job.path(shard)}: {error}") from error
    return job.path(shard)

"""Creation of the training pictures of a data set, one file for each shard, in one or more processes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path

import cv2

from taihri_ros.errors import TaihriError
from taihri_ros.synthetic.dataset import read_shard, shards
from taihri_ros.synthetic.worker_pool import worker_pool
from taihri_ros.training.data.pictures import Picture, write_pictures
from taihri_ros.training.recipe import PictureSettings


@dataclass(frozen=True)
class PictureJob:
    """A job that makes the pictures of a data set.

    Attributes:
        paths: For each shard the file of its pictures.
        settings: Settings of the pictures.
    """

    paths: dict[Path, Path]
    settings: PictureSettings

    @classmethod
    def plan(cls, settings: PictureSettings) -> PictureJob:
        """Assign the last shards of a data set to validation and the others to training.

        Args:
            settings: Data, directory and number of validation shards.

        Returns:
            The job.

        Raises:
            TaihriError: There is no data set, or it has too few shards.
        """
        if settings.data is None:
            raise TaihriError("pictures.data is missing: set it to the output directory of `taihri synth`")
        found = shards(settings.data)
        reserved = settings.validation_shards
        if len(found) <= reserved:
            raise TaihriError(
                f"{settings.data} has {len(found)} shards and {reserved} are reserved for validation: "
                "make more with `taihri synth --count`"
            )
        first_reserved = len(found) - reserved
        parts = ["train"] * first_reserved + ["validation"] * reserved
        return cls(
            {shard: settings.directory / part / f"{shard.stem}.npz" for shard, part in zip(found, parts, strict=True)},
            settings,
        )

    def run(self) -> Iterator[Path]:
        """Make the pictures of all shards whose file does not exist.

        Yields:
            The picture file of each shard, existing ones first.

        Raises:
            TaihriError: A shard is damaged, or a directory cannot be written.
        """
        yield from (path for path in self.paths.values() if path.is_file())
        missing = [(shard, path, self.settings) for shard, path in self.paths.items() if not path.is_file()]
        if self.settings.workers == 1 or len(missing) < 2:
            yield from map(_make, missing)
            return
        with worker_pool(self.settings.workers) as pool:
            for finished in as_completed([pool.submit(_make, one) for one in missing]):
                yield finished.result()


def _make(one: tuple[Path, Path, PictureSettings]) -> Path:
    shard, path, settings = one
    cv2.setNumThreads(1)
    made = (
        Picture.make(sample, focal_px=settings.focal_px, max_side=settings.max_side) for sample in read_shard(shard)
    )
    write_pictures(path, made)
    return path

"""Generation writes shards once, and reproduces the frozen test split."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from taihri_ros.cli.synth import command
from taihri_ros.errors import TaihriError
from taihri_ros.synthetic import frozen_split as frozen
from taihri_ros.synthetic.dataset import DatasetError, read, shard_path, write_shard
from taihri_ros.synthetic.generation import SHARD_SIZE, Job, make_samples, run


def test_jobs_are_split_into_shards() -> None:
    job = Job(Path("there"), seed=1, count=2500, size=64, start=3000)
    assert job.shards == 3
    assert [job.bounds(shard) for shard in range(3)] == [(3000, 4000), (4000, 5000), (5000, 5500)]
    assert job.path(0).name == f"synthetic-{3000 // SHARD_SIZE:05d}.parquet"


def test_the_command_generates_samples_once_and_a_sheet(tmp_path: Path) -> None:
    arguments = ["--out", str(tmp_path / "data"), "--count", "6", "--seed", "9", "--size", "64"]
    first = CliRunner().invoke(command, [*arguments, "--sheet", str(tmp_path / "sheet.png")])
    assert first.exit_code == 0, first.output
    made = list(read(tmp_path / "data"))
    assert [sample.index for sample in made] == list(range(6))
    assert [sample.encoded for sample in made] == [
        sample.encoded for sample in make_samples(9, 6, 64, style="lifelike")
    ]
    assert (tmp_path / "sheet.png").stat().st_size > 10_000
    (shard,) = (tmp_path / "data").iterdir()
    before = shard.stat().st_mtime_ns
    assert CliRunner().invoke(command, arguments).exit_code == 0
    assert shard.stat().st_mtime_ns == before


def test_unfinished_shards_of_an_interrupted_run_are_removed(tmp_path: Path) -> None:
    (tmp_path / "synthetic-00000.part").write_bytes(b"half")
    list(run(Job(tmp_path, seed=9, count=0, size=64)))
    assert list(tmp_path.iterdir()) == []


def test_the_command_reports_invalid_options(tmp_path: Path) -> None:
    assert "--out" in CliRunner().invoke(command, []).output
    reserved = CliRunner().invoke(command, ["--out", str(tmp_path), "--seed", str(frozen.SEED)])
    assert "--test-split" in reserved.output
    (tmp_path / "file").write_text("")
    with pytest.raises(TaihriError, match="cannot write"):
        CliRunner().invoke(command, ["--out", str(tmp_path / "file" / "data")], catch_exceptions=False)
    with pytest.raises(DatasetError, match="multiple of 1000"):
        list(run(Job(tmp_path, seed=1, count=1, size=64, start=5)))


def test_the_generator_reproduces_the_frozen_split() -> None:
    """Check the first samples only; the whole split takes half a minute."""
    samples = make_samples(frozen.SEED, 24, frozen.SIZE)
    assert frozen.checksum(samples) == "76f6b5a6c1646d08bdf7568fbcdd497f0d10a4a88d95dab99546b61ae390b2e5"


def test_another_data_set_is_rejected_as_the_frozen_split(tmp_path: Path) -> None:
    write_shard(shard_path(tmp_path, 0), make_samples(9, 4, 64))
    with pytest.raises(DatasetError, match="--test-split"):
        frozen.check(tmp_path)

"""Samples of several people have the labels of all of them, and those of one person stay as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from taihri_ros.cli.synth import command
from taihri_ros.synthetic.contact_sheet import draw_labels
from taihri_ros.synthetic.dataset import Sample, read, shard_path, write_shard
from taihri_ros.synthetic.generation import make_samples
from taihri_ros.synthetic.labels import OUTSIDE, VISIBLE
from taihri_ros.synthetic.owners import owner_of

PEOPLE = 4


@pytest.fixture(scope="module")
def groups() -> list[Sample]:
    return make_samples(seed=3, count=12, size=128, style="lifelike", people=PEOPLE)


def test_every_person_is_labelled_as_the_picture_shows_them(groups: list[Sample]) -> None:
    boxes = 0
    for sample in groups:
        assert len(sample.others) == PEOPLE - 1
        assert sample.owners is not None
        for number, person in enumerate(sample.others, start=1):
            inside = person.visibility != OUTSIDE
            assert inside.sum() >= 2
            assert sample.camera.project(person.joints)[inside] == pytest.approx(person.pixels[inside], abs=0.01)
            rows, columns = np.nonzero(sample.owners == owner_of(number))
            assert (person.box is None) == (rows.size == 0)
            if person.box is not None:
                boxes += 1
                assert person.box.tolist() == [columns.min(), rows.min(), columns.max(), rows.max()]
                shown = np.rint(person.pixels[person.visibility == VISIBLE]).astype(int)
                near = [
                    (sample.owners[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4] == owner_of(number)).any()
                    for x, y in shown
                ]
                assert np.mean(near or [True]) > 0.8
    assert boxes > len(groups)


def test_nobody_stands_in_another_person_or_behind_a_wall(groups: list[Sample]) -> None:
    for sample in groups:
        roots = np.array([sample.joints[0], *(person.joints[0] for person in sample.others)])
        distances = np.linalg.norm(roots[:, None] - roots, axis=2)[np.triu_indices(PEOPLE, 1)]
        assert distances.min() > 0.6
        assert np.linalg.norm(roots, axis=1).max() < 4.0


def test_another_sample_of_the_group_is_about_another_person(groups: list[Sample]) -> None:
    bodies = [str(sample.body["phenotype"]) for sample in groups[:4]]
    assert len(set(bodies)) == PEOPLE
    assert {str(person.body["phenotype"]) for person in groups[0].others} == set(bodies[1:])


def test_the_labels_are_written_and_read_back(groups: list[Sample], tmp_path: Path) -> None:
    write_shard(shard_path(tmp_path, 0), groups)
    for got, made in zip(read(tmp_path), groups, strict=True):
        assert len(got.others) == len(made.others)
        for one, other in zip(got.others, made.others, strict=True):
            for name in ("joints", "pixels", "visibility"):
                assert (getattr(one, name) == getattr(other, name)).all()
                assert getattr(one, name).dtype == getattr(other, name).dtype
            assert (one.box is None) == (other.box is None)
            assert (one.task, one.body) == (other.task, other.body)


def test_a_shard_of_one_person_has_no_further_column(tmp_path: Path) -> None:
    samples = make_samples(seed=3, count=2, size=64)
    write_shard(shard_path(tmp_path, 0), samples)
    assert "others" not in pq.read_schema(shard_path(tmp_path, 0)).names
    assert [sample.others for sample in read(tmp_path)] == [(), ()]


def test_the_command_makes_groups_and_draws_all_of_them(tmp_path: Path, groups: list[Sample]) -> None:
    arguments = ["--out", str(tmp_path), "--count", "2", "--seed", "3", "--size", "128", "--people", str(PEOPLE)]
    made = CliRunner().invoke(command, arguments)
    assert made.exit_code == 0, made.output
    assert [sample.encoded for sample in read(tmp_path)] == [sample.encoded for sample in groups[:2]]
    assert CliRunner().invoke(command, [*arguments[:-1], "5"]).exit_code == 2
    assert draw_labels(groups[0]).shape[0] == 2 * groups[0].image.shape[0]

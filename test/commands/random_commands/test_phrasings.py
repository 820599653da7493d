"""The random commands that a model is trained on: variety, joints, and no held-out sentence."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
import yaml

from taihri_ros.commands.command import parse_command
from taihri_ros.commands.random_commands.phrasings import PHRASINGS_FILE, Phrasings
from taihri_ros.commands.tasks import Tasks


@pytest.fixture(scope="module")
def tasks() -> Tasks:
    return Tasks.load()


@pytest.fixture(scope="module")
def phrasings(tasks: Tasks) -> Phrasings:
    return Phrasings(tasks)


def bare(text: str) -> str:
    return text.lower().rstrip(".!?")


def test_every_task_has_patterns_and_none_is_of_an_unknown_task(tasks: Tasks) -> None:
    content = yaml.safe_load(PHRASINGS_FILE.read_text(encoding="utf-8"))
    unsided = {task.name.removesuffix("_left").removesuffix("_right") for task in tasks.tasks}
    assert set(content["tasks"]) == unsided
    assert all(len(patterns) >= 5 for patterns in content["tasks"].values())


def test_thousands_of_different_sentences_are_sampled_for_every_kind(phrasings: Phrasings) -> None:
    rng = random.Random(1)
    assert phrasings.count() > 100_000
    assert len({bare(phrasings.sample_task(rng)[0]) for _ in range(1500)}) > 1400
    assert len({bare(phrasings.sample_question(rng)[0]) for _ in range(1500)}) > 1400
    assert len({bare(phrasings.sample_nothing(rng)) for _ in range(1500)}) > 1300


def test_samples_are_reproducible(phrasings: Phrasings) -> None:
    first, second = (
        [(phrasings.sample_task(rng), phrasings.sample_question(rng), phrasings.sample_nothing(rng)) for _ in range(50)]
        for rng in (random.Random(2), random.Random(2))
    )
    assert first == second


def test_sentences_are_complete_and_free_words(phrasings: Phrasings) -> None:
    rng = random.Random(3)
    for _ in range(700):
        texts = phrasings.sample_task(rng)[0], phrasings.sample_question(rng)[0], phrasings.sample_nothing(rng)
        for text in texts:
            assert not set(text) & set("{}[]()<>|"), text
            command = parse_command(text)
            assert command is None or command.joints == (), text


def test_the_side_in_a_sentence_is_the_side_of_its_joints(phrasings: Phrasings) -> None:
    rng = random.Random(4)
    sides: Counter[str] = Counter()
    for _ in range(1400):
        text, joints = phrasings.sample_task(rng)
        said = {side for side in ("left", "right") if side in text.lower().split()}
        sided = {joint.partition("_")[0] for joint in joints} & {"left", "right"}
        if len(said) == 1 and len(sided) == 1 and "now" not in text:
            assert said == sided, text
        sides[" ".join(sorted(said))] += 1
    assert all(sides[kind] > 100 for kind in ("", "left", "right"))


def test_no_sentence_that_asks_for_something_is_negated_or_stops(phrasings: Phrasings) -> None:
    rng = random.Random(5)
    for sample in (phrasings.sample_task, phrasings.sample_question):
        for _ in range(700):
            text = sample(rng)[0]
            command = parse_command(text)
            assert command is not None, text
            assert not command.negation, text


def test_no_sentence_is_held_out(tasks: Tasks, phrasings: Phrasings) -> None:
    held_out = {bare(text) for task in tasks.tasks for text in task.held_out}
    rng = random.Random(7)
    assert not held_out & {bare(phrasings.sample_task(rng)[0]) for _ in range(2000)}


def test_patterns_of_a_task_that_is_left_out_are_not_used(tmp_path: Path) -> None:
    file = tmp_path / "fewer.yaml"
    file.write_text("tasks: {hug: , feed: }")
    rng, fewer = random.Random(6), Phrasings(Tasks.load(file))
    assert not [text for text in (fewer.sample_task(rng)[0].lower() for _ in range(700)) if "hug" in text.split()]


def test_the_task_table_hardly_ever_contradicts_a_sentence(tasks: Tasks, phrasings: Phrasings) -> None:
    """The patterns say more than the table knows; where it knows a task, it is that of the sentence."""
    rng = random.Random(8)
    asking = [phrasings.sample_task(rng) for _ in range(600)]
    matched = [(task, joints) for text, joints in asking if (task := tasks.match(text)) is not None]
    assert len(matched) > 0.8 * len(asking)
    assert sum(task.joints == joints for task, joints in matched) > 0.93 * len(matched)
    nothing = [phrasings.sample_nothing(rng) for _ in range(600)]
    assert sum(tasks.match(text) is None for text in nothing) > 0.85 * len(nothing)

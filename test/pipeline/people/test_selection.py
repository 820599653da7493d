"""The selected person is the one who is meant, and does not flip."""

from __future__ import annotations

import numpy as np
import pytest

from taihri_ros.commands.person_words import Who, Whom
from taihri_ros.pipeline.people.person_track import TrackedPerson, TrackState
from taihri_ros.pipeline.people.selection import PersonSelection


def person(
    name: str, x: float, z: float, *, state: TrackState = TrackState.CONFIRMED, side_px: float | None = None
) -> TrackedPerson:
    box = None if side_px is None else np.array([0.0, 0.0, side_px, side_px])
    return TrackedPerson(name, np.array([x, 0.2, z]), np.zeros(3), np.eye(3), 1.0, 0.0, state, 0, box)


LEFT, MIDDLE, RIGHT = person("left", -1.0, 2.5), person("middle", -0.4, 3.4), person("right", 0.3, 1.5)
PEOPLE = [MIDDLE, RIGHT, LEFT]


def ids(people: list[TrackedPerson]) -> list[str]:
    return [each.id for each in people]


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (Who.NEAREST, ["right"]),
        (Who.FURTHEST, ["middle"]),
        (Who.CENTRED, ["middle"]),
        (Who.LEFT, ["left"]),
        (Who.RIGHT, ["right"]),
        (Who.MIDDLE, ["middle"]),
        (Who.EVERYONE, ["right", "left", "middle"]),
    ],
)
def test_a_rule_selects_whom_it_means(who: Who, expected: list[str]) -> None:
    assert ids(PersonSelection(Whom(who)).select(PEOPLE)) == expected
    said = PersonSelection()
    said.say(Whom(who))
    assert ids(said.select(PEOPLE)) == expected


def test_the_largest_is_larger_in_the_picture_and_without_boxes_the_nearest() -> None:
    selection = PersonSelection(Whom(Who.LARGEST))
    assert ids(selection.select([person("a", 0, 2, side_px=90), person("b", 0, 3, side_px=100)])) == ["b"]
    assert ids(PersonSelection(Whom(Who.LARGEST)).select([person("a", 0, 2), person("b", 0, 3, side_px=9)])) == ["a"]


def test_the_middle_of_two_is_the_one_in_the_middle_of_the_picture() -> None:
    assert ids(PersonSelection(Whom(Who.MIDDLE)).select([LEFT, RIGHT])) == ["right"]


def test_an_id_selects_that_person_or_nobody() -> None:
    selection = PersonSelection()
    selection.say(Whom(Who.ID, "left"))
    assert ids(selection.select(PEOPLE)) == ["left"]
    assert selection.select([RIGHT]) == []


@pytest.mark.parametrize("who", [Who.NEAREST, Who.FURTHEST, Who.LEFT, Who.RIGHT, Who.CENTRED, Who.LARGEST])
def test_the_selection_does_not_flip_between_two_who_fit_equally_well(who: Who) -> None:
    rng = np.random.default_rng(1)
    selection, chosen = PersonSelection(Whom(who)), set()
    for _ in range(200):
        dx, dz = rng.uniform(-0.04, 0.04), rng.uniform(-0.1, 0.1)
        side_px = 100 * (1 + dz / 2)
        noisy = [person("a", -dx, 2 + dz, side_px=side_px), person("b", dx, 2 - dz, side_px=200 - side_px)]
        chosen.update(ids(selection.select(noisy)))
    assert len(chosen) == 1


def test_the_nearest_person_changes_when_somebody_else_is_clearly_nearer() -> None:
    selection = PersonSelection()
    assert ids(selection.select([person("a", 0, 1.5), person("b", 0, 2)])) == ["a"]
    assert ids(selection.select([person("a", 0, 2.1), person("b", 0, 2)])) == ["a"]
    assert ids(selection.select([person("a", 0, 2.4), person("b", 0, 2)])) == ["b"]


def test_who_was_said_stays_selected_after_walking_away() -> None:
    selection = PersonSelection()
    selection.say(Whom(Who.LEFT))
    assert ids(selection.select(PEOPLE)) == ["left"]
    moved = [person("left", 2.0, 2.5), RIGHT]
    assert ids(selection.select(moved)) == ["left"]
    assert ids(selection.select([person("left", 2.0, 2.5, state=TrackState.LOST), RIGHT])) == ["left"]
    assert ids(selection.select([person("left", 2.0, 2.5, state=TrackState.ENDED), RIGHT])) == ["right"]
    selection.say(Whom(Who.LEFT))
    assert ids(selection.select(PEOPLE)) == ["left"], "a new command asks again"


def test_nobody_is_selected_anew_who_is_not_seen() -> None:
    for state in (TrackState.LOST, TrackState.TENTATIVE, TrackState.ENDED):
        assert PersonSelection().select([person("a", 0, 2, state=state)]) == []
    lost = person("a", 0, 1, state=TrackState.LOST)
    assert ids(PersonSelection().select([lost, person("b", 0, 2)])) == ["b"]
    assert ids(PersonSelection(Whom(Who.EVERYONE)).select([lost, person("b", 0, 2)])) == ["a", "b"]

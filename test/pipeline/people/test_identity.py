"""Ids have five letters and never repeat."""

from __future__ import annotations

import re

import pytest

from taihri_ros.pipeline.people.identity import CAPACITY, Identities, IdentityError


def test_all_ids_differ_until_they_are_used_up() -> None:
    identities = Identities(seed=3)
    made = [identities.new() for _ in range(CAPACITY)]
    assert len(set(made)) == CAPACITY > 20_000
    assert all(re.fullmatch("(?:[^aeiou][aeiou]){2}[^aeiou]", each) for each in made)
    with pytest.raises(IdentityError, match="restart"):
        identities.new()


def test_a_seed_repeats_a_session_and_others_differ() -> None:
    first = [Identities(seed).new() for seed in (1, 1, 2)]
    assert first[0] == first[1] != first[2]
    assert len({Identities().new() for _ in range(5)}) > 1

"""What a pixel of a synthetic picture shows: the room, its furniture, a person, or what belongs to the people."""

from __future__ import annotations

from enum import IntEnum


class Owner(IntEnum):
    """The owner of a pixel; the people after the second one follow, see `owner_of`."""

    ROOM = 0
    PERSON = 1
    """The labelled person."""

    OTHER_PERSON = 2
    OBJECT = 3
    """An object that belongs to the people: a seat, what they hold, or an obstacle in front of them."""

    FURNITURE = 4


def owner_of(person: int) -> int:
    """Return the owner of the pixels of a person, counted from 0: 1 and 2, then 5 and 6; 3 and 4 are objects."""
    return Owner.PERSON + person if person < 2 else Owner.OBJECT + person

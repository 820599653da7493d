"""Chooses about whom the model is asked in an image: the selected person always, the others in turn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence


class Turns:
    """The turns of the people who are not selected. Not thread-safe.

    Example:
        >>> turns = Turns(lambda: 1)
        >>> turns.select({"kamul"})
        >>> [turns.choose(["jodan", "kamul", "wezit"], stamp_s) for stamp_s in (0.1, 0.2, 0.3)]
        [[0, 1], [1, 2], [0, 1]]
    """

    def __init__(self, others_per_frame: Callable[[], int | None] = lambda: None) -> None:
        """Start without people.

        Args:
            others_per_frame: Returns how many people beside the selected one are asked about in an image; None for all.
        """
        self._others_per_frame = others_per_frame
        self._selected: Collection[str] = ()
        self._asked_s: dict[str, float] = {}

    def select(self, selected: Collection[str]) -> None:
        """Note who is selected, by id."""
        self._selected = selected

    def choose(self, ids: Sequence[str], stamp_s: float) -> list[int]:
        """Choose the people of an image.

        Args:
            ids: The id of each person, empty for somebody who is not known yet, whose turn is next.
            stamp_s: Time stamp of the image, seconds.

        Returns:
            The places of those to ask about, in increasing order: of all who are selected, or one more of the others if
            nobody is, and of those others who were not asked about for longest.
        """
        most = self._others_per_frame()
        if most is None:
            return list(range(len(ids)))
        selected = [place for place, name in enumerate(ids) if name in self._selected]
        others = [place for place in range(len(ids)) if place not in selected]
        others.sort(key=lambda place: self._asked_s.get(ids[place], -1.0))
        chosen = sorted([*selected, *others[: most + (not selected)]])
        kept = {name: asked_s for name, asked_s in self._asked_s.items() if name in ids and asked_s <= stamp_s}
        self._asked_s = kept | {ids[place]: stamp_s for place in chosen if ids[place]}
        return chosen

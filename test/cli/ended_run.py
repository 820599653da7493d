"""What a run of the `taihri` command has left."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Run:
    status: int
    out: str
    err: str

    def fails_with(self, *parts: str) -> None:
        """The run ended with an error: one line of it, without a traceback, that has these parts."""
        assert self.status not in (0, -11, -6), self.out
        assert self.out == ""
        (line,) = [line for line in self.err.splitlines() if not line.startswith("[")]
        assert line.startswith("taihri: ")
        for part in parts:
            assert part in line

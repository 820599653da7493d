"""The result of a finished `taihri` command."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Run:
    status: int
    out: str
    err: str

    def fails_with(self, *parts: str) -> None:
        """Check that the run failed with a single error line, without a traceback, that contains these parts."""
        assert self.status not in (0, -11, -6), self.out
        assert self.out == ""
        (line,) = [line for line in self.err.splitlines() if not line.startswith("[")]
        assert line.startswith("taihri: ")
        for part in parts:
            assert part in line

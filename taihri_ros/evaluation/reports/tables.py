"""Markdown tables of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table as lines, with an empty one after it.

    Args:
        header: Titles of the columns; all but the first are aligned to the right.
        rows: Cells of the rows.

    Returns:
        The lines.
    """
    ruler = ["---", *["---:"] * (len(header) - 1)]
    return [*(f"| {' | '.join(cells)} |" for cells in (header, ruler, *rows)), ""]


def cell(value: float | None, scale: float = 1.0, digits: int = 1) -> str:
    """Return a number as text; empty for None."""
    return "" if value is None else f"{value * scale:.{digits}f}"


def with_interval(found: Mapping[str, Any], digits: int = 0) -> str:
    """Return a value with its 95 % interval as text, such as `269 (255 to 283)`; empty without a value."""
    if found["value"] is None or found["interval"] is None:
        return cell(found["value"], digits=digits)
    low, high = found["interval"]
    return f"{found['value']:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def counted(group: Mapping[str, Any]) -> str:
    """Return a share with its interval and total as text, such as `0.8 % (0.3 to 2.0) of 500`."""
    if group["share"] is None:
        return "none asked"
    low, high = group["interval"]
    return f"{100 * group['share']:.1f} % ({100 * low:.1f} to {100 * high:.1f}) of {group['of']}"

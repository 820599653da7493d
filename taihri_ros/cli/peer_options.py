"""Options of `taihri eval` and `taihri bench` for other engines that answer the same questions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import click

from taihri_ros.inference.environment import EngineKind
from taihri_ros.node.parameters import Parameters

KINDS: tuple[str, ...] = get_args(EngineKind)
"""Kinds of engines that a peer may have: those that run on this machine."""


@dataclass(frozen=True)
class Peer:
    """An engine to compare with.

    Attributes:
        kind: Its kind, of `KINDS`.
        model: Its checkpoint; empty for the one that comes with the package.
        python: Interpreter of its environment; empty for the default one.
    """

    kind: str
    model: str = ""
    python: str = ""

    def parameters(self, request_timeout_s: float) -> Parameters:
        """Return the parameters `engine.*` of the peer."""
        values: dict[str, Any] = {"kind": self.kind, "model": self.model, "python": self.python}
        values["request_timeout_s"] = request_timeout_s
        return Parameters.from_mapping({f"engine.{name}": value for name, value in values.items()})


def peer_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that choose peers.

    Args:
        command: The subcommand, which receives `peers`, a tuple of `Peer`.

    Returns:
        The subcommand with the options.
    """

    @click.option(
        "--peer",
        "names",
        multiple=True,
        metavar="KIND[:CHECKPOINT]",
        help=f"Another engine that is asked the same questions, for comparison: {', '.join(KINDS)}. It runs in a "
        "process of its own. Can be repeated.",
    )
    @click.option(
        "--peer-python",
        "pythons",
        multiple=True,
        metavar="PATH",
        help="Python interpreter of the peer's environment; repeat it for several peers, in their order.",
    )
    @functools.wraps(command)
    def with_peers(*, names: tuple[str, ...], pythons: tuple[str, ...], **others: Any) -> None:
        command(peers=_parse(names, pythons), **others)

    return with_peers


def _parse(names: tuple[str, ...], pythons: tuple[str, ...]) -> tuple[Peer, ...]:
    if len(pythons) > len(names):
        raise click.UsageError(f"{len(pythons)} --peer-python for {len(names)} --peer: each belongs to one peer.")
    peers = []
    for name, python in zip(names, [*pythons, *[""] * len(names)], strict=False):
        kind, _, model = name.partition(":")
        if kind not in KINDS:
            raise click.BadParameter(f"{kind!r} is not one of {', '.join(KINDS)}.", param_hint="--peer")
        peers.append(Peer(kind, model, python))
    return tuple(peers)

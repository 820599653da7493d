"""The lifecycle state on /diagnostics, and what an engine that has failed means for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from taihri_ros.errors import TaihriError
from taihri_ros.inference.engine import EngineUnavailableError
from taihri_ros.inference.engine_health import EngineState
from taihri_ros.inference.supervised_engine import SupervisedEngine
from taihri_ros.node.diagnostics import ERROR, OK, WARN, Report

CHECK_S = 1.5
"""Longest wait of a configuration for what is wrong with interpreter and checkpoint, seconds. It is found before
anything is loaded; on a machine that is too busy it may be found later, and is then treated as a failure."""


class EngineFailedError(TaihriError):
    """The engine cannot run."""


class NodeTask:
    """Diagnostics task with the lifecycle state, and why the last transition failed or the state is of no use."""

    name = "node"

    def __init__(self, engine_state: Callable[[], EngineState | None]) -> None:
        """Start with the unconfigured state.

        Args:
            engine_state: Returns the state of the engine; None while there is no engine.
        """
        self._engine_state = engine_state
        self.state = "unconfigured"
        self.problem = ""
        self.is_paused = False

    def report(self) -> Report:
        """Return the state; an error with the problem, and a warning while the engine is not ready."""
        values = {"state": self.state}
        if self.problem:
            return Report(ERROR, self.problem, values)
        engine = self._engine_state()
        if self.state == "active" and engine in (EngineState.STARTING, EngineState.RESTARTING):
            loading = "loading" if engine is EngineState.STARTING else engine.value
            return Report(WARN, f"active, engine {loading}: no image is answered until the engine is ready", values)
        paused = self.state == "active" and self.is_paused
        return Report(OK, "active, paused by ~/enable" if paused else self.state, values)


def refuse_failed(engine: SupervisedEngine, wait_s: float) -> None:
    """Refuse an engine that has failed for good.

    Args:
        engine: The engine.
        wait_s: Longest wait for that, seconds; it ends when the engine is ready.

    Raises:
        EngineFailedError: The engine has failed.
    """
    with suppress(EngineUnavailableError):
        engine.wait_ready(wait_s)
    health = engine.health
    if health.state is EngineState.FAILED:
        raise EngineFailedError(failure(health.message))


def failure(reason: str) -> str:
    """Return why the engine has failed, and what to do."""
    return (
        f"{reason}; then configure the node again (clean it up before, if it is inactive), or start it again if a "
        "parameter was wrong: those of the engine are fixed at the start"
    )

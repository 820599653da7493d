"""The state and the health of a supervised engine, as diagnostics report them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from taihri_ros.inference.engine import EngineInfo


class EngineState(str, Enum):
    """State of a supervised engine."""

    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class EngineHealth:
    """Health of a supervised engine.

    Attributes:
        state: State of the engine.
        message: Reason why it is not ready, as a text for the user.
        restarts: Number of restarts.
        last_success_age_s: Time in s since it last answered a request or a health probe, or became ready; None before.
        info: Description of the engine, once it has been ready.
        pid: Process id; None while there is no process on this machine.
        url: Address of a remote server, without a key; None for an engine on this machine.
        last_error: The latest failure, also after it has passed; empty if there was none.
        latency_ms: Duration of the latest answer, in ms; None before.
        silent_s: Time in s for which a ready engine gives no sign of life, where it should have; 0 as long as it does.
    """

    state: EngineState
    message: str
    restarts: int
    last_success_age_s: float | None
    info: EngineInfo | None
    pid: int | None = None
    url: str | None = None
    last_error: str = ""
    latency_ms: float | None = None
    silent_s: float = 0.0

"""A remote server that is awaited, watched and connected again, as an engine process is restarted."""

from __future__ import annotations

import dataclasses
from functools import partial

from taihri_ros.inference.engine import EngineError
from taihri_ros.inference.engine_health import EngineHealth, EngineState
from taihri_ros.inference.openai.openai_engine import OpenAiEngine
from taihri_ros.inference.supervised_engine import SupervisedEngine
from taihri_ros.model.spec import ModelSpec

_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 10.0


class RemoteEngine(SupervisedEngine):
    """A checkpoint on a remote vLLM server, which may start later than this program.

    >>> with RemoteEngine("http://gpu-box:8000", "taihri") as engine:  # doctest: +SKIP
    ...     info = engine.wait_ready(timeout_s=300.0)
    ...     generation = engine.generate(request)
    """

    _close_timeout_s = 1.0  # a look-up of the server's name cannot be interrupted

    def __init__(
        self,
        url: str,
        model: str,
        spec: ModelSpec | None = None,
        *,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        probe_period_s: float = 30.0,
    ) -> None:
        """Connect in the background, and again whenever the server does not answer, without a limit.

        Args:
            url: Base address of the server, such as `http://gpu-box:8000`, with or without `/v1` at its end.
            model: Name of the served model.
            spec: Contents of the checkpoint's `taihri.json`; see `OpenAiEngine`.
            api_key: Key of the server, if it needs one.
            timeout_s: Longest time for an answer, in s.
            probe_period_s: Idle time in s after which the server gets a health probe, a request for one token; 0 for
                never.

        Raises:
            EngineError: The address is invalid.
        """
        self._new_client = partial(OpenAiEngine, url, model, spec, api_key=api_key, timeout_s=timeout_s, connect=False)
        self._server = self._new_client()
        super().__init__(
            request_timeout_s=timeout_s,
            probe_period_s=probe_period_s,
            max_restarts=None,
            backoff_s=_BACKOFF_S,
            longest_backoff_s=_LONGEST_BACKOFF_S,
        )

    @property
    def health(self) -> EngineHealth:
        """Current health of the server, as it was last seen."""
        return dataclasses.replace(super().health, url=self._server.address)

    def close(self) -> None:
        """Disconnect. The server continues to run; a second call does nothing."""
        self._stopping.set()
        self._server.close()
        super().close()

    def _fault(self, error: EngineError) -> str:
        return str(error)

    def _run(self) -> None:
        with self._new_client() as self._server:
            if self._stopping.is_set():
                return
            if not self._last_error:
                self._set_state(EngineState.STARTING, f"waiting for {self._server.address}")
            self._server.connect()
            server = self._server
            self._serve(server, lambda _: self._heartbeat(server.check_alive))

    def _is_awaited(self) -> bool:
        return self._info is None

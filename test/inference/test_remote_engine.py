"""A remote server is awaited and watched as an engine process is, except that it is never given up for good."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from false_servers import FalseServer, ListeningServer, free_port
from support import eventually

from taihri_ros.inference.engine import EngineError, EngineUnavailableError
from taihri_ros.inference.engine_health import EngineState
from taihri_ros.inference.openai.remote_engine import RemoteEngine
from taihri_ros.node.configured_engine import open_engine_for, ready_engine
from taihri_ros.node.diagnostics import ERROR, WARN, engine_tasks
from taihri_ros.node.parameters import Parameters

MODELS = json.dumps({"data": [{"id": "TAIHRI"}]}).encode()


def parameters(url: str, **others: object) -> Parameters:
    values = {"engine.kind": "openai", "engine.model": "TAIHRI", "engine.url": url}
    return Parameters.from_mapping(values | {name.replace("__", "."): value for name, value in others.items()})


@pytest.mark.handles(
    "Engine",
    "remote server that is not up yet",
    "awaited: state starting, with the reason; connected as soon as it is up",
)
def test_a_server_that_is_not_up_yet_is_awaited() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with open_engine_for(parameters(url)) as engine:
        (task,) = engine_tasks(engine)
        assert eventually(lambda: "last_error" in task.report().values)
        report = task.report()
        reason = f"{url} cannot be reached: Connection refused"
        assert (report.level, report.message) == (WARN, f"{reason}; wait until it is ready")
        assert report.values["state"] == "starting"
        assert report.values["restarts"] == "0"
        assert report.values["url"] == url
        assert report.values["last_error"] == reason
        with pytest.raises(EngineUnavailableError, match=r"the engine is starting: .* cannot be reached"):
            engine.info  # noqa: B018
        with FalseServer(MODELS, port=port) as server:
            assert eventually(lambda: server.requests > 0, 20), "it is tried again"


@pytest.mark.handles(
    "Engine", "remote server that accepts connections and never answers", "awaited: has not answered for ... s"
)
def test_a_server_that_hangs_is_awaited_in_the_background() -> None:
    with ListeningServer() as server:
        began = time.monotonic()
        with open_engine_for(parameters(server.url, engine__request_timeout_s=2.0)) as engine:
            assert isinstance(engine, RemoteEngine)
            assert time.monotonic() - began < 1.5, "it returns before the first timeout"
            assert eventually(lambda: bool(engine.health.last_error))
            assert engine.health.state is EngineState.STARTING
            assert engine.health.message == f"{server.url} has not answered for 2 s"


def test_close_interrupts_a_connection_that_hangs() -> None:
    with ListeningServer() as server:
        engine = RemoteEngine(server.url, "TAIHRI", timeout_s=600.0)
        time.sleep(0.3)
        began = time.monotonic()
        engine.close()
        assert time.monotonic() - began < 10
        assert engine.health.state is EngineState.STOPPED
        engine.close()


@pytest.mark.handles("Engine", "remote server that is overloaded (429, 503)", "awaited: tried again")
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_fault_of_the_server_that_may_pass_is_awaited(status: int) -> None:
    with FalseServer(b"later", status=status) as server, RemoteEngine(server.url, "TAIHRI") as engine:
        sent_at_once = 2 if status == 502 else 1
        assert eventually(lambda: server.requests > sent_at_once), "it is tried again"
        assert engine.health.state is EngineState.STARTING
        assert engine.health.last_error == f"{server.url}/v1/models answered {status} (later)"


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        pytest.param(
            MODELS.replace(b"TAIHRI", b"qwen"),
            200,
            " does not serve 'TAIHRI'; it serves qwen: correct engine.model",
            marks=pytest.mark.handles(
                "Engine", "remote server without the model", "FAILED at once, names what it serves"
            ),
        ),
        pytest.param(
            b'{"error": {"message": "no key"}}',
            401,
            "/v1/models answered 401 (no key): set the environment variable VLLM_API_KEY to the server's key",
            marks=pytest.mark.handles("Engine", "remote server that needs a key", "FAILED at once: set VLLM_API_KEY"),
        ),
        pytest.param(
            b"<h1>Not\nfound</h1>",
            404,
            "/v1/models answered 404 (<h1>Not found</h1>): correct engine.url and engine.model, and serve the model "
            "with vllm serve",
            marks=pytest.mark.handles("Engine", "remote server of another kind", "FAILED at once: correct engine.url"),
        ),
        pytest.param(
            b"<html>",
            200,
            "/v1/models did not answer in JSON (Expecting value: line 1 column 1 (char 0)): correct engine.url",
            marks=pytest.mark.handles("Engine", "web page instead of a remote server", "FAILED at once: not in JSON"),
        ),
        (
            b"",
            301,
            "/v1/models answered 301 (): write the address of vllm serve itself in engine.url; redirections are not "
            "followed",
        ),
    ],
)
def test_a_wrong_server_is_a_permanent_fault(answer: bytes, status: int, message: str) -> None:
    with FalseServer(answer, status=status) as server, RemoteEngine(server.url, "TAIHRI") as engine:
        with pytest.raises(EngineUnavailableError, match="the engine is failed"):
            engine.wait_ready(20)
        (task,) = engine_tasks(engine)
        report = task.report()
        assert report.level == ERROR
        assert report.message.startswith(f"{server.url}{message}; no answer yet; ")
        assert server.requests == 1


@pytest.mark.parametrize("opened", [open_engine_for, ready_engine])
def test_an_invalid_address_is_refused_at_once(opened: Callable[[Parameters], object]) -> None:
    with pytest.raises(EngineError, match="'ftp://host' is not the address of a server"):
        opened(parameters("ftp://host"))


def test_a_program_that_needs_one_answer_does_not_wait_for_a_server() -> None:
    with pytest.raises(EngineUnavailableError, match="cannot be reached: Connection refused"):
        ready_engine(parameters(f"http://127.0.0.1:{free_port()}"))

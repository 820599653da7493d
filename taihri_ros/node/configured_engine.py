"""Starts the engine that the parameters describe."""

from __future__ import annotations

import logging
import os
from typing import Any

from taihri_ros.inference.engine import Engine
from taihri_ros.inference.environment import EngineKind, default_python
from taihri_ros.inference.openai.openai_engine import OpenAiEngine
from taihri_ros.inference.openai.remote_engine import RemoteEngine
from taihri_ros.inference.process.supervisor import EngineProcess
from taihri_ros.model.spec import ModelSpec
from taihri_ros.node.parameters import ParameterError, Parameters
from taihri_ros.node.rcl_yaml import RclYamlError, read_yaml
from taihri_ros.resources import BLAZEPOSE, NANO, expand_home

logger = logging.getLogger(__name__)

LONGEST_ANSWER_S = 600.0
"""Request timeout of a program that waits for its answers, seconds; a published size takes minutes on a CPU."""


def open_engine_for(parameters: Parameters) -> Engine:
    """Start the engine of the parameters `engine.*`, or the connection to it, without waiting for it.

    Args:
        parameters: The node's parameters. The key of a remote server is read from the environment variable
            VLLM_API_KEY, because every node could read it from a parameter.

    Returns:
        An engine process or a remote server; both raise `EngineUnavailableError` until they are ready.

    Raises:
        ParameterError: engine.kind is openai and engine.model is empty.
        TaihriError: The address of the remote server or its engine.spec is not valid, or the home directory is needed
            and not known.
    """
    if parameters.engine_kind == "openai":
        return RemoteEngine(**_server(parameters), probe_period_s=parameters.engine_probe_period_s)
    return _engine_process(parameters, parameters.engine_kind)


def ready_engine(parameters: Parameters, *, tracking: bool = True) -> Engine:
    """Start the engine of the parameters and wait until it is ready, for programs other than the node.

    Args:
        parameters: `engine.*` are used.
        tracking: Whether the pictures are frames of one camera in their order; see `local_engine_options`.

    Returns:
        An engine that is ready. A remote server is not awaited: it must answer at once.

    Raises:
        TaihriError: The engine does not start, or the remote server does not answer.
    """
    if parameters.engine_kind == "openai":
        return OpenAiEngine(**_server(parameters))
    engine = _engine_process(parameters, parameters.engine_kind, tracking=tracking)
    try:
        logger.info("starting %s", parameters.engine_kind)
        engine.wait_ready(parameters.engine_start_timeout_s)
    except BaseException:
        engine.close()
        raise
    return engine


def engine_python(python: str, kind: EngineKind) -> str:
    """Return the Python interpreter of the engine's environment, as an absolute path. Symbolic links are not followed.

    Args:
        python: The parameter engine.python; empty for the default environment.
        kind: The framework.

    Returns:
        The path, or the name of a command that is searched in PATH.

    Raises:
        TaihriError: The home directory is needed and not known.
    """
    if not python:
        return str(default_python(kind))
    return str(expand_home(python).absolute()) if "/" in python else python


def checkpoint(parameters: Parameters) -> str:
    """Return the checkpoint of a local engine; the default is that of the package, for taihri-nano with a warning.

    Args:
        parameters: `engine.kind` and `engine.model` are used.

    Returns:
        The directory of the checkpoint, or a model name for the local Hugging Face cache.
    """
    if not parameters.engine_model and parameters.engine_kind == "mediapipe":
        return str(BLAZEPOSE)
    if not parameters.engine_model:
        logger.warning(
            "engine.model (--model) is not set: using taihri-nano, a small model trained on synthetic people only"
        )
        return str(NANO)
    model = expand_home(parameters.engine_model)
    return str(model) if os.path.lexists(model) else parameters.engine_model


def local_engine_options(parameters: Parameters, *, tracking: bool = True) -> dict[str, object]:
    """Return the options of a local engine, as `open_engine` takes them.

    Args:
        parameters: `engine.*` are used; those that are of no use to this kind of engine are ignored.
        tracking: Whether the pictures are frames of one camera in their order, so that an engine may use what it has
            seen before. Only mediapipe does.

    Returns:
        The options by name.

    Raises:
        ParameterError: engine.vllm is not a mapping.
    """
    if parameters.engine_kind == "mediapipe":
        return {"tracking": tracking and not parameters.people_enabled}
    options: dict[str, object] = {"dtype": parameters.engine_dtype}
    if parameters.engine_adapter:
        options["adapter"] = str(expand_home(parameters.engine_adapter).absolute())
    if parameters.engine_kind == "vllm":
        options["gpu_memory_utilization"] = parameters.engine_gpu_memory_utilization
        options["max_model_len"] = parameters.engine_max_model_len
        options["api"] = parameters.engine_vllm_api
        options["further"] = _vllm_arguments(parameters.engine_vllm)
    return options


def _vllm_arguments(text: str) -> dict[str, Any]:
    """Return the mapping of the parameter engine.vllm, an empty one for an empty text."""
    try:
        documents = read_yaml(text) if text.strip() else [{}]
    except RclYamlError as error:
        raise ParameterError(f"engine.vllm is not YAML: {error}") from error
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise ParameterError(
            f"engine.vllm must be a mapping, such as {{performance_mode: interactivity}}, not {text[:60]!r}"
        )
    return documents[0]


def _server(parameters: Parameters) -> dict[str, Any]:
    """Return the arguments that describe a remote server."""
    if not parameters.engine_model:
        raise ParameterError("no model: set engine.model (--model) to the name of the served model")
    return {
        "url": parameters.engine_url,
        "model": parameters.engine_model,
        "spec": ModelSpec.read(expand_home(parameters.engine_spec)) if parameters.engine_spec else None,
        "api_key": os.environ.get("VLLM_API_KEY"),
        "timeout_s": parameters.engine_request_timeout_s,
    }


def _engine_process(parameters: Parameters, kind: EngineKind, *, tracking: bool = True) -> EngineProcess:
    return EngineProcess(
        python=engine_python(parameters.engine_python, kind),
        kind=kind,
        model=checkpoint(parameters),
        options=local_engine_options(parameters, tracking=tracking),
        start_timeout_s=parameters.engine_start_timeout_s,
        request_timeout_s=parameters.engine_request_timeout_s,
        probe_period_s=parameters.engine_probe_period_s,
        max_restarts=parameters.engine_max_restarts,
    )

"""Starts the engine that the parameters describe."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Literal

from taihri_ros.inference.engine import Engine
from taihri_ros.inference.environment import default_python
from taihri_ros.inference.openai.openai_engine import OpenAiEngine
from taihri_ros.inference.process.supervisor import EngineProcess
from taihri_ros.model.spec import ModelSpec
from taihri_ros.node.parameters import ParameterError, Parameters
from taihri_ros.resources import NANO

logger = logging.getLogger(__name__)


def open_engine_for(parameters: Parameters) -> Engine:
    """Start the engine of the parameters `engine.*` without waiting for it.

    Args:
        parameters: The node's parameters. The key of a remote server is read from the environment variable
            VLLM_API_KEY, because every node could read it from a parameter.

    Returns:
        An engine process, which raises `EngineUnavailableError` until it is ready, or the client of a remote server.

    Raises:
        ParameterError: engine.kind is openai and engine.model is empty.
        EngineError: The address of the remote server is not valid.
    """
    if parameters.engine_kind == "openai":
        if not parameters.engine_model:
            raise ParameterError("no model: set engine.model (--model) to the name of the served model")
        spec = ModelSpec.read(Path(parameters.engine_spec).expanduser()) if parameters.engine_spec else None
        return OpenAiEngine(
            parameters.engine_url,
            parameters.engine_model,
            spec,
            api_key=os.environ.get("VLLM_API_KEY"),
            timeout_s=parameters.engine_request_timeout_s,
        )
    return _engine_process(parameters, parameters.engine_kind)


def ready_engine(parameters: Parameters) -> Engine:
    """Start the engine of the parameters and wait until it is ready, for programs other than the node.

    Args:
        parameters: `engine.*` are used.

    Returns:
        An engine that is ready.

    Raises:
        TaihriError: The engine does not start.
    """
    if parameters.engine_kind == "openai":
        return open_engine_for(parameters)
    engine = _engine_process(parameters, parameters.engine_kind)
    try:
        logger.info("starting %s", parameters.engine_kind)
        engine.wait_ready(parameters.engine_start_timeout_s)
    except BaseException:
        engine.close()
        raise
    return engine


def engine_python(python: str, kind: Literal["vllm", "transformers"]) -> str:
    """Return the Python interpreter of the engine's environment, as an absolute path. Symbolic links are not followed.

    Args:
        python: The parameter engine.python; empty for the default environment.
        kind: The framework.

    Returns:
        The path, or the name of a command that is searched in PATH.
    """
    if not python:
        return str(default_python(kind))
    return str(Path(python).expanduser().absolute()) if "/" in python else python


def checkpoint(parameters: Parameters) -> str:
    """Return the checkpoint of a local engine; the default is taihri-nano, with a warning in the log.

    Args:
        parameters: `engine.model` is used.

    Returns:
        The directory of the checkpoint, or a model name for the local Hugging Face cache.
    """
    if not parameters.engine_model:
        logger.warning(
            "engine.model (--model) is not set: using taihri-nano, a small model trained on synthetic people only"
        )
        return str(NANO)
    model = Path(parameters.engine_model).expanduser()
    return str(model) if model.exists() else parameters.engine_model


def _engine_process(parameters: Parameters, kind: Literal["vllm", "transformers"]) -> EngineProcess:
    options: dict[str, object] = {"dtype": parameters.engine_dtype}
    if kind == "vllm":
        options |= {
            "gpu_memory_utilization": parameters.engine_gpu_memory_utilization,
            "max_model_len": parameters.engine_max_model_len,
        }
    model = checkpoint(parameters)
    return EngineProcess(
        python=engine_python(parameters.engine_python, kind),
        kind=kind,
        model=model,
        options=options,
        start_timeout_s=parameters.engine_start_timeout_s,
        request_timeout_s=parameters.engine_request_timeout_s,
        probe_period_s=parameters.engine_probe_period_s,
        max_restarts=parameters.engine_max_restarts,
    )

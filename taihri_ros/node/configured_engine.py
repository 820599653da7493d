"""The engine that the parameters ask for."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Literal

from taihri_ros.inference.engine import Engine
from taihri_ros.inference.install import default_python
from taihri_ros.inference.openai.openai_engine import OpenAiEngine
from taihri_ros.inference.process.supervisor import EngineProcess
from taihri_ros.model.spec import ModelSpec
from taihri_ros.node.parameters import ParameterError, Parameters
from taihri_ros.resources import NANO

logger = logging.getLogger(__name__)


def open_engine_for(parameters: Parameters) -> Engine:
    """Begin to start the engine of the parameters `engine.*`; returns at once.

    Args:
        parameters: The node's parameters. The key of a remote server, where it wants one, is in the environment
            variable VLLM_API_KEY, never in a parameter, which anyone can read.

    Returns:
        An engine process, which raises `EngineUnavailableError` until it is ready, or the client of a remote server.

    Raises:
        ParameterError: A remote server is to be used, and no model is named.
        EngineError: A remote server cannot be used.
    """
    if parameters.engine_kind == "openai":
        if not parameters.engine_model:
            raise ParameterError("no model: set engine.model (--model) to the name under which the server has it")
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
    """Start the engine of the parameters and wait until it can answer, for work that is not a node.

    Args:
        parameters: `engine.*` are used.

    Returns:
        An engine that is ready.

    Raises:
        TaihriError: It does not get ready.
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
    """Give the interpreter of the engine's environment as an absolute path, without following its links.

    Args:
        python: The parameter engine.python; empty for the default place.
        kind: The framework.

    Returns:
        The path, or the bare name of a command that is to be looked for in PATH.
    """
    if not python:
        return str(default_python(kind))
    return str(Path(python).expanduser().absolute()) if "/" in python else python


def checkpoint(parameters: Parameters) -> str:
    """Give the checkpoint of a local engine: the one that is named, or else taihri-nano, which is said.

    Args:
        parameters: The parameter engine.model.

    Returns:
        Its directory.
    """
    if not parameters.engine_model:
        logger.warning(
            "engine.model (--model) is not set: using taihri-nano, a small model that has seen only synthetic people"
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

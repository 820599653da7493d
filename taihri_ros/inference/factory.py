"""Opens an engine in this process: checks the checkpoint, loads it, and has it answer once before it is relied on."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Literal

from taihri_ros.inference.checkpoint.checks import check_checkpoint, find_checkpoint
from taihri_ros.inference.engine import EngineError
from taihri_ros.inference.local_engine import LocalEngine
from taihri_ros.inference.transformers.transformers_engine import TransformersEngine
from taihri_ros.inference.vllm.vllm_engine import VllmEngine
from taihri_ros.inference.warmup import check_answer, learn_answer_format
from taihri_ros.model.spec import ModelSpec

EngineKind = Literal["vllm", "transformers"]

_ENGINES: dict[str, type[VllmEngine] | type[TransformersEngine]] = {
    "vllm": VllmEngine,
    "transformers": TransformersEngine,
}


def open_engine(kind: EngineKind, model: str, *, options: Mapping[str, object] | None = None) -> LocalEngine:
    """Open an engine that is ready to answer.

    Args:
        kind: The framework.
        model: A checkpoint directory, or the name of a repository in the local Hugging Face cache.
        options: Keyword options of `VllmEngine` or `TransformersEngine`.

    Returns:
        The engine, which has answered one request in the format already.

    Raises:
        CheckpointError: The checkpoint is not there, not whole, or not a TAIHRI.
        EngineError: The framework is not installed, an option is unknown, or the model cannot be loaded or does not
            answer.
        TaihriError: `taihri.json` is broken.
    """
    if kind not in _ENGINES:
        raise EngineError(f"{kind!r} is no engine; there are {', '.join(_ENGINES)}")
    engine_class = _ENGINES[kind]
    chosen = dict(options or {})
    known = [name for name in inspect.signature(engine_class).parameters if name not in ("checkpoint", "spec")]
    if unknown := sorted(set(chosen) - set(known)):
        raise EngineError(f"the engine {kind} has no option {unknown[0]!r}; it has {', '.join(known)}")
    checkpoint = find_checkpoint(model)
    engine_class.prepare()
    check_checkpoint(checkpoint)
    engine = engine_class(checkpoint, ModelSpec.load(checkpoint), **chosen)  # type: ignore[arg-type]
    try:
        if engine.info.spec.answer is None:
            learn_answer_format(engine)
        check_answer(engine)
    except BaseException:
        engine.close()
        raise
    return engine

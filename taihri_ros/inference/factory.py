"""Factory of in-process engines: it checks a checkpoint, loads it, and runs a warm-up request."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, overload

from taihri_ros.inference.checkpoint.lock import check_sizes
from taihri_ros.inference.engine import EngineError
from taihri_ros.inference.environment import EngineKind
from taihri_ros.inference.framework_imports import check_installed
from taihri_ros.inference.in_process_engine import InProcessEngine
from taihri_ros.inference.local_engine import LocalEngine
from taihri_ros.inference.mediapipe.mediapipe_engine import MediapipeEngine
from taihri_ros.inference.transformers.transformers_engine import TransformersEngine
from taihri_ros.inference.vllm.vllm_engine import VllmEngine
from taihri_ros.inference.warmup import check_warmup_answer, learn_answer_format
from taihri_ros.model.spec import ModelSpec

_ENGINES: dict[str, type[VllmEngine] | type[TransformersEngine] | type[MediapipeEngine]] = {
    "vllm": VllmEngine,
    "transformers": TransformersEngine,
    "mediapipe": MediapipeEngine,
}


@overload
def open_engine(
    kind: Literal["vllm", "transformers"], model: str, *, options: Mapping[str, object] | None = None
) -> LocalEngine: ...
@overload
def open_engine(kind: EngineKind, model: str, *, options: Mapping[str, object] | None = None) -> InProcessEngine: ...
def open_engine(kind: EngineKind, model: str, *, options: Mapping[str, object] | None = None) -> InProcessEngine:
    """Open an engine and run a warm-up request.

    Args:
        kind: The framework.
        model: A checkpoint directory, or the name of a repository in the local Hugging Face cache.
        options: Keyword options of `VllmEngine`, `TransformersEngine` or `MediapipeEngine`.

    Returns:
        The engine, which has already answered one request correctly.

    Raises:
        CheckpointError: The checkpoint is missing, incomplete, or not a TAIHRI model.
        EngineError: The framework is not installed, an option is unknown, the model cannot be loaded, or it fails the
            warm-up request.
        TaihriError: `taihri.json` is invalid.

    Example:
        >>> import numpy as np
        >>> from taihri_ros.commands.command import joint_command
        >>> from taihri_ros.inference.engine import GenerationRequest, Question
        >>> from taihri_ros.model.grammar import named_grammar
        >>> from taihri_ros.model.prompts import make_prompt
        >>> from taihri_ros.resources import NANO
        >>> with open_engine("transformers", str(NANO)) as engine:
        ...     spec, joints = engine.info.spec, ("left_wrist",)
        ...     question = Question(make_prompt(joint_command(joints), spec), named_grammar(joints, spec.answer))
        ...     image = np.zeros((160, 192, 3), np.uint8)  # RGB; normally a canonical view
        ...     (answer,) = engine.generate(GenerationRequest(image=image, questions=(question,))).answers
        >>> answer.finish_reason
        'stop'
        >>> len(answer.top_k[2].bins)
        20
    """
    engine_class = _engine_class(kind)
    chosen = dict(options or {})
    known = [name for name in inspect.signature(engine_class).parameters if name not in ("checkpoint", "spec")]
    if unknown := sorted(set(chosen) - set(known)):
        raise EngineError(f"the engine {kind} has no option {unknown[0]!r}: its options are {', '.join(known)}")
    checkpoint, spec = check_engine(kind, model)
    engine = engine_class(checkpoint, spec, **chosen)  # type: ignore[arg-type]
    try:
        if isinstance(engine, LocalEngine) and engine.info.spec.answer is None:
            learn_answer_format(engine)
        check_warmup_answer(engine)
    except BaseException:
        engine.close()
        raise
    return engine


def check_engine(kind: EngineKind, model: str, adapter: str | None = None) -> tuple[Path, ModelSpec]:
    """Check that an engine can be opened, without loading the weights.

    Of a checkpoint with a `taihri.lock`, the sizes of the files are compared with it; their content is not.

    Args:
        kind: The framework.
        model: As for `open_engine`.
        adapter: Directory of a LoRA adapter that is checked against the checkpoint, too, or None.

    Returns:
        The checkpoint's directory and its specification.

    Raises:
        TaihriError: The framework is not installed, or the checkpoint or the adapter is refused; see `open_engine`.
    """
    engine_class = _engine_class(kind)
    check_installed(engine_class.PACKAGES, kind)
    checkpoint = engine_class.find(model)
    engine_class.prepare()
    check_sizes(checkpoint)
    engine_class.check(checkpoint)
    if adapter is not None:
        if not issubclass(engine_class, LocalEngine):
            raise EngineError(f"the engine {kind} has no adapters: leave engine.adapter empty")
        engine_class.check_adapter(adapter, checkpoint)
    return checkpoint, ModelSpec.load(checkpoint)


def _engine_class(kind: str) -> type[VllmEngine] | type[TransformersEngine] | type[MediapipeEngine]:
    if kind not in _ENGINES:
        raise EngineError(f"there is no engine {kind!r}: choose one of {', '.join(_ENGINES)}")
    return _ENGINES[kind]

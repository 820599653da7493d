"""Everything in vLLM that this package uses beyond its public API; `mismatch` reports what a version lacks.

vLLM may change these classes at any time. This module fits vLLM 0.31, 0.32 and 0.33. The engine's core is stepped
directly, because `LLMEngine.step` also produces texts and statistics, which are not needed here. Its streaming sessions
(resumable requests) and the results of its multimodal processor are used for the same reason: speed. `public_requests`
uses none of it.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import time
from collections.abc import Iterable, Sequence
from typing import Any

from taihri_ros.inference.framework_imports import require
from taihri_ros.inference.vllm.logprobs import LogprobRow
from taihri_ros.inference.vllm.stepping import StepOutput

_FRAMEWORK = "vllm"

NEEDED = (
    "vllm.v1.engine.llm_engine:LLMEngine.engine_core",
    "vllm.v1.engine.llm_engine:LLMEngine.input_processor",
    "vllm.v1.engine.llm_engine:LLMEngine.renderer",
    "vllm.v1.engine.llm_engine:LLMEngine.vllm_config",
    "vllm.v1.engine.llm_engine:LLMEngine.get_supported_tasks()",
    "vllm.v1.engine.core_client:InprocClient.add_request(request)",
    "vllm.v1.engine.core_client:InprocClient.abort_requests(request_ids)",
    "vllm.v1.engine.core_client:InprocClient.get_output()",
    "vllm.v1.engine:EngineCoreOutputs.outputs",
    "vllm.v1.engine:EngineCoreOutput.request_id",
    "vllm.v1.engine:EngineCoreOutput.new_token_ids",
    "vllm.v1.engine:EngineCoreOutput.new_logprobs",
    "vllm.v1.engine:EngineCoreOutput.finish_reason",
    "vllm.v1.engine:EngineCoreRequest.request_id",
    "vllm.v1.engine:EngineCoreRequest.prompt_token_ids",
    "vllm.v1.engine:EngineCoreRequest.mm_features",
    "vllm.v1.engine:EngineCoreRequest.sampling_params",
    "vllm.v1.engine:EngineCoreRequest.arrival_time",
    "vllm.v1.engine:EngineCoreRequest.resumable",
    "vllm.v1.engine.input_processor:InputProcessor.process_inputs("
    "request_id, prompt, params, lora_request, supported_tasks, resumable)",
    "vllm.v1.outputs:LogprobsLists.logprob_token_ids",
    "vllm.v1.outputs:LogprobsLists.logprobs",
    "vllm.renderers.base:BaseRenderer.render_cmpl(prompts)",
    "vllm.multimodal.inputs:MultiModalFeatureSpec.data",
    "vllm.multimodal.inputs:MultiModalFeatureSpec.identifier",
    "vllm.multimodal.inputs:MultiModalFeatureSpec.mm_position",
    "vllm.multimodal.inputs:MultiModalFeatureSpec.mm_hash",
    "vllm.multimodal.inputs:MultiModalFieldElem.data",
    "vllm.multimodal.inputs:PlaceholderRange.offset",
    "vllm.config:VllmConfig.cache_config",
    "vllm.config:VllmConfig.scheduler_config",
    "vllm.config:SchedulerConfig.long_prefill_token_threshold",
    "vllm.config:SchedulerConfig.max_num_batched_tokens",
    "vllm.config:CacheConfig.block_size",
    "vllm.config:CacheConfig.num_gpu_blocks",
)
"""What must be there: `module:Class.attribute`, or `module:Class.method(parameters)`."""


def mismatch(needed: Iterable[str] = NEEDED) -> str | None:
    """Return the first thing that this module needs and the installed vLLM lacks; None if it has everything.

    Args:
        needed: As `NEEDED`.

    Returns:
        The difference, with module, attribute and version.
    """
    version = require("vllm", _FRAMEWORK).__version__
    for one in needed:
        if missing := _missing(one):
            return f"vLLM {version} has no {missing}"
    return None


def _missing(needed: str) -> str | None:
    module_name, _, rest = needed.partition(":")
    class_name, _, rest = rest.partition(".")
    attribute, is_method, names = rest.removesuffix(")").partition("(")
    try:
        module = importlib.import_module(module_name)
    except Exception:  # a module that exists but cannot be imported is of no use either
        return f"module {module_name}"
    owner = getattr(module, class_name, None)
    if owner is None:
        return f"class {class_name} in {module_name}"
    if not _has(owner, attribute):
        return f"attribute {attribute} of {class_name} in {module_name}"
    if not is_method:
        return None
    parameters = inspect.signature(getattr(owner, attribute)).parameters
    for name in filter(None, names.split(", ")):
        if name not in parameters:
            return f"parameter {name} of {class_name}.{attribute} in {module_name}"
    return None


def _has(owner: Any, attribute: str) -> bool:
    """Return whether instances of a class have an attribute: of the class, a field, or set when they are created."""
    if hasattr(owner, attribute) or any(attribute in vars(base).get("__annotations__", {}) for base in owner.__mro__):
        return True
    creation = inspect.unwrap(owner.__init__)
    return attribute in getattr(getattr(creation, "__code__", None), "co_names", ())


def device() -> tuple[bool, str]:
    """Return whether vLLM runs on a CPU, and the name of its device."""
    platform = require("vllm.platforms", _FRAMEWORK).current_platform
    name = str(platform.device_type)
    return bool(platform.is_cpu()), name if platform.is_cpu() else f"{name}:0 {platform.get_device_name()}"


def keep_patches() -> None:
    """Let vLLM's scheduler keep the patches of every image in the requests that it sends to its worker.

    It omits those of an image that the prefix cache covers (`strip_covered_mm_data`). If such a request is preempted
    and its prefix leaves the cache, the worker lacks them, and vLLM ends with an assertion. Sending them costs nothing
    here, as scheduler and worker share a process. A vLLM without that function is left as it is.
    """
    try:
        output: Any = importlib.import_module("vllm.v1.core.sched.output")
    except ImportError:
        return
    if hasattr(output, "strip_covered_mm_data"):
        output.strip_covered_mm_data = lambda mm_features, *_, **__: mm_features


def dtype_of(engine: Any, default: str) -> str:
    """Return the data type of the weights that an `LLMEngine` has loaded, or the default if it is not known."""
    config = getattr(engine, "model_config", None)
    return str(getattr(config, "dtype", default)).removeprefix("torch.")


def shut_down(engine: Any) -> None:
    """Free the memory of an `LLMEngine`, which has no public method for it."""
    core = getattr(engine, "engine_core", None)
    if core is not None and hasattr(core, "shutdown"):
        core.shutdown()


def cache_blocks(engine: Any) -> tuple[int, int]:
    """Return the number of tokens of a block of the KV cache, and the number of blocks that requests can use."""
    config = engine.vllm_config.cache_config
    return int(config.block_size), int(config.num_gpu_blocks) - 1  # vLLM never hands out the first block


def shares_prefixes(engine: Any, tokens: int) -> bool:
    """Return whether requests that start together share the cache blocks of their common prefix.

    They do if the scheduler processes the first one's prefix in one step; otherwise each processes its own.

    Args:
        engine: The `LLMEngine`.
        tokens: Number of tokens of all images that are processed at the same time.
    """
    config = engine.vllm_config.scheduler_config
    return not config.long_prefill_token_threshold and tokens <= config.max_num_batched_tokens


def make_request(
    engine: Any, name: str, prompt: dict[str, Any], parameters: Any, *, resumable: bool, lora: Any = None
) -> Any:
    """Create a request with vLLM's own input processor, which also processes the image.

    Args:
        engine: The `LLMEngine`.
        name: Name of the request.
        prompt: The prompt, as `LLMEngine.add_request` takes it.
        parameters: Its `SamplingParams`.
        resumable: Whether the request is the first chunk of a streaming session.
        lora: Its `LoRARequest`, or None.

    Returns:
        An `EngineCoreRequest`.
    """
    (rendered,) = engine.renderer.render_cmpl([prompt])
    return engine.input_processor.process_inputs(
        name,
        rendered,
        parameters,
        lora_request=lora,
        supported_tasks=engine.get_supported_tasks(),
        resumable=resumable,
    )


def variant(request: Any, name: str, tokens: Sequence[int], parameters: Any, **changes: Any) -> Any:
    """Copy an `EngineCoreRequest` with another name, prompt, sampling parameters, and `changes` of further fields."""
    replace = require("msgspec.structs", _FRAMEWORK).replace
    return replace(request, request_id=name, prompt_token_ids=list(tokens), sampling_params=parameters, **changes)


def session(request: Any, name: str, tokens: Sequence[int], parameters: Any, image: Any) -> Any:
    """Copy the first chunk of a streaming session for another image (a feature), with the current time of arrival."""
    return variant(request, name, tokens, parameters, mm_features=[image], arrival_time=time.time())


def chunk(request: Any, name: str, tokens: Sequence[int], parameters: Any) -> Any:
    """Create a later chunk of a streaming session from its first one."""
    return variant(request, name, tokens, parameters, mm_features=None)


def image_of(request: Any) -> Any:
    """Return the only image of a request, a feature: the result of vLLM's multimodal processor."""
    (feature,) = request.mm_features
    return feature


def patches_of(feature: Any) -> Any:
    """Return the patches of an image that vLLM's multimodal processor has processed, a tensor."""
    return feature.data["pixel_values"].data


def with_patches(feature: Any, patches: Any, name: str, offset: int) -> Any:
    """Copy a processed image with the patches of another one of the same size.

    Args:
        feature: The processed image.
        patches: The patches of the other image, a tensor.
        name: Name of the other image, the key of vLLM's encoder cache.
        offset: Index of the image's first token in the prompt.

    Returns:
        The feature.
    """
    pixels = dataclasses.replace(feature.data["pixel_values"], data=patches)
    return dataclasses.replace(
        feature,
        data=type(feature.data)({**feature.data, "pixel_values": pixels}),
        mm_position=dataclasses.replace(feature.mm_position, offset=offset),
        identifier=name,
        mm_hash=name,
    )


class EngineCore:
    """The core of an `LLMEngine`, as `Stepper` drives it."""

    def __init__(self, engine: Any) -> None:
        """Use the core of an `LLMEngine`."""
        self._core = engine.engine_core

    def add_request(self, request: Any) -> None:
        """Queue an `EngineCoreRequest`."""
        self._core.add_request(request)

    def abort_requests(self, names: Sequence[str]) -> None:
        """Remove requests; unknown names are ignored."""
        self._core.abort_requests(names)

    def step(self) -> list[StepOutput]:
        """Run one step."""
        return [_step_output(output) for output in self._core.get_output().outputs]


def _step_output(output: Any) -> StepOutput:
    found, count = output.new_logprobs, len(output.new_token_ids)
    rows: list[LogprobRow | None] = [None] * count
    if found is not None:
        rows = [(found.logprob_token_ids[index], found.logprobs[index]) for index in range(count)]
    reason = "" if output.finish_reason is None else str(output.finish_reason)
    return StepOutput(output.request_id, output.new_token_ids, rows, reason)

"""What a checkpoint is, found out from its files without loading the weights.

Each part is read separately, so that a broken file hides only the parts that are read from it. The tokens and the
complete check need the packages of an engine's environment, so this module also runs there, as `python -m`. Elsewhere
these parts are left out.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from taihri_ros.errors import TaihriError
from taihri_ros.inference.checkpoint import adapter as adapters
from taihri_ros.inference.checkpoint.checks import check_checkpoint, find_checkpoint
from taihri_ros.inference.checkpoint.contents import (
    Tokens,
    Weights,
    describe_low_bit_weights,
    describe_weights,
    read_architecture,
    read_tokens,
)
from taihri_ros.inference.checkpoint.files import has_language_model, read_json
from taihri_ros.inference.checkpoint.licence import Licence, read_licence
from taihri_ros.inference.checkpoint.lock import Lock, check_sizes, has_lock, read_lock
from taihri_ros.inference.checkpoint.memory import ModelSizes, ViewMemory, view_memory
from taihri_ros.inference.checkpoint.safetensors_header import read_tensors
from taihri_ros.inference.engine import CheckpointError, EngineError
from taihri_ros.inference.process.module_run import print_result
from taihri_ros.inference.transformers.low_bit_weights import check_low_bit_weights
from taihri_ros.inference.vllm.low_bit_weights import check_low_bit_weights_on_cpu
from taihri_ros.inference.vllm.versions import is_cpu_build
from taihri_ros.model.spec import FILE_NAME, ModelSpec

_HALF_BYTES, _FLOAT_BYTES = 2, 4

_T = TypeVar("_T")


@dataclass(frozen=True)
class Inspection:
    """What is known of a checkpoint.

    Attributes:
        directory: Its directory.
        kind: `checkpoint`, `light` for the engine mediapipe, or `adapter`.
        fault: Why the node would refuse it; empty if nothing was found.
        unchecked: Why the check is not complete; empty if it is.
        files: Number of files.
        bytes: Their size, bytes.
        architecture: The values of `config.json` that describe the model, by name.
        quantization: How the weights are quantised; empty if they are not.
        adapter: Description of the adapter; empty if none was given.
        weights: The tensors; None if they cannot be read.
        tokens: The tokens of answers; None if they cannot be read.
        spec: The specification, as `ModelSpec.to_dict` returns it; None if `taihri.json` is invalid.
        has_spec: Whether the checkpoint has its own `taihri.json`; otherwise the numbers are the official ones.
        licence: Its licence.
        memory: The memory for views of several sizes; empty if sizes are not known.
        float32_bytes: Size of the weights in float32, in which CPUs without bfloat16 compute; 0 if it is not known.
        constrained: Whether answers can be constrained; None if it is not known.
        decoding: The values of the parameter `decoding` that have an effect, and why.
        engines: The engines that load such checkpoints, each with the reason why it cannot load this one here, or an
            empty string.
        missing: What the checkpoint lacks, each with the consequence.
        lock: The content of `taihri.lock`; None if there is none.
    """

    directory: str
    kind: str
    fault: str
    unchecked: str
    files: int
    bytes: int
    architecture: Mapping[str, object]
    quantization: str
    adapter: str
    weights: Weights | None
    tokens: Tokens | None
    spec: Mapping[str, Any] | None
    has_spec: bool
    licence: Licence
    memory: tuple[ViewMemory, ...]
    float32_bytes: int
    constrained: bool | None
    decoding: str
    engines: Mapping[str, str]
    missing: tuple[str, ...]
    lock: Lock | None


def inspect(model: str, adapter: Path | None = None) -> Inspection:
    """Find out what a checkpoint is.

    Args:
        model: Its directory, or the name of a repository in the local Hugging Face cache.
        adapter: Directory of a LoRA adapter for it.

    Returns:
        All that could be found out; `fault` says what is wrong.

    Raises:
        CheckpointError: There is no such directory, or it cannot be read.
    """
    directory = find_checkpoint(model)
    try:
        sizes = [path.stat().st_size for path in directory.iterdir() if path.is_file()]
        licence = read_licence(directory)
    except OSError as error:
        raise CheckpointError(f"{directory} cannot be read ({error.strerror}): correct its permissions") from error
    kind = _kind(directory)
    config = _found(lambda: read_json(directory / "config.json")) or {}
    spec = _found(lambda: ModelSpec.load(directory))
    tensors = _found(lambda: read_tensors(directory)) if kind == "checkpoint" else None
    tokens = _found(lambda: read_tokens(directory, spec)) if kind == "checkpoint" else None
    weights = None if tensors is None else describe_weights(directory, tensors, config)
    quantization = describe_low_bit_weights(config)
    fault, unchecked, adapter_text, engines = _check(directory, kind, adapter)
    memory = _memory(spec, config, weights, quantization)
    constrained, decoding = _decoding(kind, spec, tokens)
    return Inspection(
        directory=str(directory),
        kind=kind,
        fault=fault,
        unchecked=unchecked,
        files=len(sizes),
        bytes=sum(sizes),
        architecture=read_architecture(config),
        quantization=quantization,
        adapter=adapter_text,
        weights=weights,
        tokens=tokens,
        spec=None if spec is None else spec.to_dict(),
        has_spec=(directory / FILE_NAME).is_file(),
        licence=licence,
        memory=memory,
        float32_bytes=_FLOAT_BYTES * weights.values if weights and not quantization else 0,
        constrained=constrained,
        decoding=decoding,
        engines=engines,
        missing=_missing(directory, spec, licence),
        lock=_found(lambda: read_lock(directory)),
    )


def _found(read: Callable[[], _T]) -> _T | None:
    """Return what a function reads, or None; the check of the checkpoint names the fault."""
    try:
        return read()
    except TaihriError:
        return None


def _kind(directory: Path) -> str:
    if (directory / "config.json").is_file():
        return "checkpoint"
    if (directory / adapters.CONFIG).is_file():
        return "adapter"
    is_light = (directory / FILE_NAME).is_file() and not has_language_model(directory)
    return "light" if is_light else "checkpoint"


def _check(directory: Path, kind: str, adapter: Path | None) -> tuple[str, str, str, Mapping[str, str]]:
    """Return the fault, why the check is not complete, what the adapter is, and the engines."""
    described = ""
    engines = dict.fromkeys(("vllm", "transformers"), "")
    try:
        check_sizes(directory)
        if kind == "adapter":
            raise CheckpointError(
                f"{directory} is a LoRA adapter without its base: specify the base as the checkpoint, and this "
                "directory as engine.adapter"
            )
        if kind == "light":
            return _light_fault(directory), "", "", {"mediapipe": ""}
        if adapter is not None:
            read = adapters.read_adapter(adapter, directory)
            described = f"LoRA of rank {read.rank}, scale {read.scale:g}, on {len(read.modules)} weights"
            if read.changes_vision:
                del engines["vllm"]
        check_checkpoint(directory)
    except CheckpointError as error:
        return str(error), "", described, {}
    except EngineError as error:
        return "", str(error), described, engines
    refusals = {name: _low_bit_fault(name, directory) for name in engines}
    return "" if "" in refusals.values() else next(iter(refusals.values())), "", described, refusals


def _low_bit_fault(engine: str, directory: Path) -> str:
    """Return why an engine of this environment cannot read the quantised weights of a checkpoint, or nothing."""
    try:
        if engine == "transformers":
            check_low_bit_weights(directory)
        elif is_cpu_build():
            check_low_bit_weights_on_cpu(directory)
    except CheckpointError as error:
        return str(error)
    return ""


def _light_fault(directory: Path) -> str:
    try:
        spec = ModelSpec.load(directory)
    except TaihriError as error:
        return str(error)
    return "" if spec.has_absent else f"{directory} has no config.json: specify the directory of a checkpoint"


def _memory(
    spec: ModelSpec | None, config: Mapping[str, Any], weights: Weights | None, quantization: str
) -> tuple[ViewMemory, ...]:
    sizes = ModelSizes.read(config)
    if sizes is None or weights is None or spec is None:
        return ()
    wide = not quantization and weights.dtypes.get("F32", 0) > weights.bytes / 2
    value_bytes = _FLOAT_BYTES if wide else _HALF_BYTES
    return _found(lambda: view_memory(spec, sizes, weight_bytes=weights.bytes, value_bytes=value_bytes)) or ()


def _decoding(kind: str, spec: ModelSpec | None, tokens: Tokens | None) -> tuple[bool | None, str]:
    if kind == "light":
        return None, "none: BlazePose answers without a language model"
    if tokens is None:
        return None, "unknown, because the tokens could not be read"
    if tokens.cannot_constrain:
        return False, (
            f"unconstrained, because {tokens.cannot_constrain}; answers are parsed, and points have no covariance"
        )
    allowed = "constrained (per_joint, jump_forward or plain), because each coordinate is one token"
    if spec is not None and spec.answer is not None:
        return True, allowed
    return True, f"{allowed}; unconstrained if the answer at the start is JSON"


def _missing(directory: Path, spec: ModelSpec | None, licence: Licence) -> tuple[str, ...]:
    missing = []
    if not (directory / FILE_NAME).is_file():
        missing.append(
            f"{FILE_NAME}: the official numbers are assumed, and the answer format is learned from an answer at the "
            "start"
        )
    if spec is not None and spec.belief is None:
        missing.append("measured thresholds: conservative ones are used until `taihri calibrate` has run")
    if not licence.name:
        missing.append("a licence: ask its authors what you may do with it")
    if not has_lock(directory):
        missing.append(f"taihri.lock: changed files are not noticed until `taihri model lock {directory}` has run")
    return tuple(missing)


def main() -> None:
    """Print the inspection of a checkpoint as JSON."""
    parser = argparse.ArgumentParser(description="Print what a checkpoint is, as JSON.")
    parser.add_argument("model", help="its directory")
    parser.add_argument("--adapter", type=Path, help="directory of a LoRA adapter for it")
    arguments = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    print_result(lambda: dataclasses.asdict(inspect(arguments.model, arguments.adapter)))


if __name__ == "__main__":
    main()

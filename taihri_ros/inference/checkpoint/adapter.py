"""A LoRA adapter of a checkpoint: reading and checking it before anything is loaded, and merging it into the weights.

LoRA (arXiv 2106.09685) adds to a weight W (out, in) the product of two narrow matrices, W + s B A, with B (out, r),
A (r, in) and s = alpha / r, or alpha / sqrt(r) for rank-stabilised LoRA (arXiv 2312.03732). The files are those of
peft.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taihri_ros.inference.checkpoint.files import COPY_AGAIN, check_directory, check_files, read_json, some
from taihri_ros.inference.checkpoint.low_bit_weights import low_bit_settings
from taihri_ros.inference.checkpoint.safetensors_header import Tensors, read_file, read_tensors
from taihri_ros.inference.engine import CheckpointError
from taihri_ros.inference.framework_imports import require

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"

MAX_RANK = 512
"""Largest rank that vLLM supports."""

_PREFIX = "base_model.model."
_HALVES = (".lora_A.weight", ".lora_B.weight")
_UNUSUAL = {
    "bias": (None, "none"),
    "use_dora": (None, False),
    "fan_in_fan_out": (None, False),
    "modules_to_save": (None, []),
    "trainable_token_indices": (None, [], {}),
    "rank_pattern": (None, {}),
    "alpha_pattern": (None, {}),
    "lora_bias": (None, False),
}
"""Settings of peft that change the model in other ways than plain LoRA, each with the values that leave it plain."""


@dataclass(frozen=True)
class Adapter:
    """A checked LoRA adapter.

    Attributes:
        directory: Its directory.
        rank: Number of columns of B and rows of A.
        scale: Factor of the product B A.
        modules: Names of the weights that it changes, as in the base, without `.weight`.
    """

    directory: Path
    rank: int
    scale: float
    modules: tuple[str, ...]

    @property
    def changes_vision(self) -> bool:
        """Whether it changes the vision tower, too."""
        return any(not module.startswith("model.language_model.") for module in self.modules)

    def merge_into(self, model: Any) -> None:
        """Add the adapter to the weights of a transformers model in place.

        Args:
            model: The base as a torch module.
        """
        tensors = require("safetensors.torch", "transformers").load_file(self.directory / WEIGHTS)
        for module in self.modules:
            weight = model.get_submodule(module).weight.data
            first, second = (tensors[_PREFIX + module + half].to(weight.device).float() for half in _HALVES)
            weight.copy_(weight.float() + self.scale * (second @ first))


def read_adapter(directory: Path, base: Path) -> Adapter:
    """Read the settings of a LoRA adapter and check them and its weights against the base.

    Args:
        directory: Directory of the adapter.
        base: Directory of the checkpoint that it was trained on.

    Returns:
        The adapter.

    Raises:
        CheckpointError: The adapter is incomplete, of another kind than LoRA, or does not fit the base; or the base is
            quantised.
    """
    check_directory(directory, "adapter")
    check_files(directory)
    if low_bit_settings(read_json(base / "config.json")) is not None:
        raise CheckpointError(
            f"{directory} cannot be added to {base}, whose weights are quantised: merge it into the base before "
            "quantisation"
        )
    settings = read_json(directory / CONFIG)
    rank, scale = _strength(directory / CONFIG, settings)
    return Adapter(directory, rank, scale, _modules(directory / WEIGHTS, rank, read_tensors(base)))


def _strength(path: Path, settings: Mapping[str, Any]) -> tuple[int, float]:
    """Return the rank and the scale."""
    if settings.get("peft_type") != "LORA":
        raise CheckpointError(f"{path} has peft_type {settings.get('peft_type')!r}, but only LORA adapters are loaded")
    for name, harmless in _UNUSUAL.items():
        if settings.get(name) not in harmless:
            raise CheckpointError(
                f"{path} has {name} {settings[name]!r:.60}, which is not plain LoRA: merge the adapter into its base "
                "with peft's merge_and_unload and use the result"
            )
    rank, alpha = settings.get("r"), settings.get("lora_alpha")
    if not isinstance(rank, int) or isinstance(rank, bool) or not 1 <= rank <= MAX_RANK:
        raise CheckpointError(f"{path} has r {rank!r}, but it must be from 1 to {MAX_RANK}")
    if not isinstance(alpha, (int, float)) or isinstance(alpha, bool) or not 0 < alpha < 1e6:
        raise CheckpointError(f"{path} has lora_alpha {alpha!r}, but it must be a positive number")
    return rank, alpha / (math.sqrt(rank) if settings.get("use_rslora") else rank)


def _modules(path: Path, rank: int, base: Tensors) -> tuple[str, ...]:
    """Return the modules that an adapter's weights change, all of which the base has in the right shape."""
    held = read_file(path)
    if odd := [name for name in held if not (name.startswith(_PREFIX) and name.endswith(_HALVES))]:
        raise CheckpointError(
            f"{path} has other tensors than those of LoRA, {some(odd)}: merge the adapter into its base with peft's "
            "merge_and_unload and use the result"
        )
    modules = sorted({name.removeprefix(_PREFIX)[: -len(_HALVES[0])] for name in held})
    for module in modules:
        weight = base.get(f"{module}.weight")
        if weight is None or len(weight.shape) != 2 or not module.startswith("model."):
            raise CheckpointError(
                f"{path} changes {module}, which the base does not have or LoRA cannot change: use the adapter's own "
                "base"
            )
        outputs, inputs = weight.shape
        for half, shape in zip(_HALVES, ((rank, inputs), (outputs, rank)), strict=True):
            found = held.get(_PREFIX + module + half)
            if found is None or found.shape != shape:
                described = "is missing" if found is None else f"has the shape {found.shape} instead of {shape}"
                raise CheckpointError(
                    f"{path}: {module}{half} {described}: use the adapter's own base, or {COPY_AGAIN}"
                )
    if not modules:
        raise CheckpointError(f"{path} has no tensors: {COPY_AGAIN}")
    return tuple(modules)

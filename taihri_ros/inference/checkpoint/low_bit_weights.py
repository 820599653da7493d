"""Low-bit (quantised) weights: the layouts that are read, and the tensors that each of them has for a matrix.

A quantised matrix is stored as integers or 8-bit floats with scales. `quantization_config` in `config.json` names the
layout: FP8 (`fp8`), AWQ (arXiv 2306.00978), GPTQ (arXiv 2210.17323), or one of compressed-tensors. The names and shapes
are those that vLLM's and transformers' readers expect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taihri_ros.inference.checkpoint.files import COPY_AGAIN, read_json, some
from taihri_ros.inference.checkpoint.safetensors_header import Tensors
from taihri_ros.inference.engine import CheckpointError

METHODS = ("awq", "compressed-tensors", "fp8", "gptq")
_FLOAT8, _INT8, _PACKED = "float-quantized", "int-quantized", "pack-quantized"
_FORMATS = (_FLOAT8, _INT8, _PACKED)

FLOAT8 = frozenset({"F8_E4M3"})
"""Types of the weights of FP8."""

_SCALES = {"F32", "F16", "BF16"}
_MAX_SIDE = 1 << 20
_MAX_SCHEMES = 512

Part = tuple[set[str], tuple[tuple[int, ...], ...]]
"""Types and shapes that a tensor may have."""


@dataclass(frozen=True)
class Scheme:
    """How a matrix is quantised.

    Attributes:
        layout: `awq`, `gptq`, `fp8`, or the format of compressed-tensors.
        bits: Bits of a value.
        scale: Which values share a scale: `tensor`, `channel` (a row), `group` (of a row), or `block`.
        group: Number of values in a group; -1 for a whole row.
        block: Rows and columns of a block.
        symmetric: Whether no zero points are stored.
        ordered: Whether GPTQ grouped the inputs in another order (`desc_act`).
    """

    layout: str
    bits: int
    scale: str = "group"
    group: int = -1
    block: tuple[int, int] = (0, 0)
    symmetric: bool = True
    ordered: bool = False

    def parts(self, outputs: int, inputs: int) -> tuple[dict[str, Part], dict[str, Part]]:
        """Return the tensors of a matrix by the last part of their names: those that are needed, and the optional ones.

        Args:
            outputs: Rows of the matrix.
            inputs: Columns of the matrix.
        """
        in_one = 32 // self.bits
        groups = 1 if self.group == -1 else -(-inputs // self.group)
        if self.layout in ("awq", "gptq"):
            packed = (inputs, outputs // in_one) if self.layout == "awq" else (inputs // in_one, outputs)
            needed: dict[str, Part] = {
                "qweight": ({"I32"}, (packed,)),
                "qzeros": ({"I32"}, ((groups, outputs // in_one),)),
                "scales": (_SCALES, ((groups, outputs),)),
            }
            order: dict[str, Part] = {"g_idx": ({"I32"}, ((inputs,),))}
            return (needed | order, {}) if self.ordered else (needed, order)
        if self.layout == _PACKED:
            shape = (outputs, groups if self.scale == "group" else 1)
            needed = {
                "weight_packed": ({"I32"}, ((outputs, -(-inputs // in_one)),)),
                "weight_shape": ({"I64", "I32"}, ((2,),)),
                "weight_scale": (_SCALES, (shape,)),
            }
            zero: dict[str, Part] = {"weight_zero_point": ({"I32"}, ((-(-outputs // in_one), shape[1]),))}
            return (needed, {}) if self.symmetric else (needed | zero, {})
        blocks = (-(-outputs // max(self.block[0], 1)), -(-inputs // max(self.block[1], 1)))
        shapes = {
            "tensor": ((), (1,)),
            "channel": ((outputs, 1), (outputs,)),
            "group": ((outputs, groups),),
            "block": (blocks,),
        }[self.scale]
        inverse = "_inv" if self.layout == "fp8" and self.scale == "block" else ""
        needed = {
            "weight": ({"I8"} if self.layout == _INT8 else set(FLOAT8), ((outputs, inputs),)),
            f"weight_scale{inverse}": (_SCALES | {"F8_E8M0"}, shapes),
        }
        return needed, {"input_scale": (_SCALES, ((), (1,)))}


@dataclass(frozen=True)
class LowBitFormat:
    """The content of `quantization_config`.

    Attributes:
        method: One of `METHODS`.
        schemes: How matrices may be quantised; each matrix follows one of these.
    """

    method: str
    schemes: tuple[Scheme, ...]


def low_bit_settings(config: Mapping[str, Any]) -> Any:
    """Return the quantisation settings in the content of a `config.json`, or None. vLLM looks in the same places."""
    text = config.get("text_config")
    for part, name in (
        (config, "quantization_config"),
        (text if isinstance(text, dict) else {}, "quantization_config"),
        (config, "compression_config"),
    ):
        if part.get(name) is not None:
            return part[name]
    return None


def read_low_bit_format(directory: Path) -> LowBitFormat | None:
    """Read how the weights of a checkpoint are quantised.

    Args:
        directory: The checkpoint's directory.

    Returns:
        The format, or None if the weights are floating-point numbers.

    Raises:
        CheckpointError: The layout is not one of those that are read, or its settings are invalid.
    """
    path = directory / "config.json"
    settings = low_bit_settings(read_json(path))
    if settings is None:
        return None
    method = settings.get("quant_method") if isinstance(settings, dict) else None
    if method not in METHODS:
        raise CheckpointError(
            f"{path} has quantization_config.quant_method {method!r:.40}, but only {', '.join(METHODS)} are read: "
            "use the checkpoint before quantisation"
        )
    try:
        schemes = _schemes(method, settings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else f"{error}"
        raise CheckpointError(f"{path} has a quantization_config that {method} does not have: {reason:.200}") from error
    return LowBitFormat(method, schemes)


def check_low_bit_tensors(directory: Path, low_bit: LowBitFormat, present: Tensors, needed: dict[str, Any]) -> set[str]:
    """Check the tensors of the quantised matrices against the layout.

    Args:
        directory: The checkpoint's directory.
        low_bit: The result of `read_low_bit_format`.
        present: The tensors of the checkpoint.
        needed: The shapes of the unquantised model's tensors, by name.

    Returns:
        The names of the weights that are quantised.

    Raises:
        CheckpointError: A matrix lacks a tensor of its layout, or one has another shape or type; or none is quantised.
    """
    held: dict[str, set[str]] = {}
    for name in present:
        module, _, part = name.rpartition(".")
        held.setdefault(module, set()).add(part)
    found: set[str] = set()
    wrong: list[str] = []
    for name, shape in needed.items():
        module, _, part = name.rpartition(".")
        if part != "weight" or len(shape) != 2 or not held.get(module, set()) - {"weight", "bias"}:
            continue
        found.add(name)
        faults = [_fault(module, scheme, shape, present) for scheme in low_bit.schemes]
        if all(faults):
            wrong.append(str(faults[0]))
    if wrong:
        raise CheckpointError(
            f"{directory} has {len(wrong)} matrices that are not quantised as its quantization_config "
            f"({low_bit.method}) says, {some(wrong)}: {COPY_AGAIN}"
        )
    if not found:
        raise CheckpointError(
            f"{directory} has a quantization_config ({low_bit.method}), but no quantised weights: {COPY_AGAIN}"
        )
    return found


def _fault(module: str, scheme: Scheme, shape: tuple[int, int], present: Tensors) -> str | None:
    """Return what is wrong with the tensors of one matrix, or None."""
    needed, optional = scheme.parts(*shape)
    for part, (types, shapes) in (needed | optional).items():
        tensor = present.get(f"{module}.{part}")
        if tensor is None:
            if part in needed:
                return f"{module}.{part} is missing"
        elif tensor.dtype not in types or tensor.shape not in shapes:
            return f"{module}.{part} {tensor.dtype} {tensor.shape} instead of {'/'.join(sorted(types))} {shapes[0]}"
    return None


def _schemes(method: str, settings: Mapping[str, Any]) -> tuple[Scheme, ...]:
    if method == "fp8":
        block = settings.get("weight_block_size")
        return (Scheme("fp8", 8, "tensor") if block is None else Scheme("fp8", 8, "block", block=_block(block)),)
    if method == "compressed-tensors":
        groups = settings["config_groups"]
        return tuple(
            _compressed(group["weights"], group.get("format") or settings["format"])
            for group in list(groups.values())[:_MAX_SCHEMES]
        )
    if method == "awq":
        bits = settings["w_bit"] if "w_bit" in settings else settings["bits"]
        group = settings["q_group_size"] if "q_group_size" in settings else settings["group_size"]
        return (Scheme("awq", _bits(bits), group=_group(group)),)
    dynamic = settings.get("dynamic") or {}
    changed = [values for rule, values in dynamic.items() if not rule.startswith("-:")][:_MAX_SCHEMES]
    return tuple(_gptq({**settings, **values}) for values in ({}, *changed))


def _gptq(settings: Mapping[str, Any]) -> Scheme:
    return Scheme(
        "gptq",
        _bits(settings["bits"]),
        group=_group(settings["group_size"]),
        symmetric=bool(settings.get("sym", True)),
        ordered=bool(settings.get("desc_act")) and settings["group_size"] != -1,
    )


def _compressed(weights: Mapping[str, Any], layout: str) -> Scheme:
    if layout not in _FORMATS:
        raise ValueError(f"format {layout!r:.40} is not one of {', '.join(_FORMATS)}")
    scale = weights["strategy"]
    if scale not in ("tensor", "channel", "group", "block"):
        raise ValueError(f"strategy {scale!r:.40} is not one of tensor, channel, group, block")
    return Scheme(
        layout,
        _bits(weights["num_bits"]),
        scale,
        group=_group(weights["group_size"]) if scale == "group" else -1,
        block=_block(weights["block_structure"]) if scale == "block" else (0, 0),
        symmetric=bool(weights.get("symmetric", True)),
    )


def _bits(value: object) -> int:
    if not isinstance(value, int) or value not in (2, 4, 8):
        raise ValueError(f"a value has {value!r:.40} bits instead of 2, 4 or 8")
    return value


def _group(value: object) -> int:
    if not isinstance(value, int) or not (value == -1 or 0 < value <= _MAX_SIDE):
        raise ValueError(f"a group has {value!r:.40} values")
    return value


def _block(value: object) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2 or min(map(_group, value)) < 1:
        raise ValueError(f"a block has the sides {value!r:.40}")
    return value[0], value[1]

"""The least time of an answer on a device, from counts of operations and bytes. Nothing is measured.

    .venv-vllm/bin/python -m taihri_ros.evaluation.benchmark.size_arithmetic

With the sizes of `config.json` (language model: L layers of width h with q query and k key and value heads of size e,
and inner width i; a vocabulary of C; vision tower: D layers of width d with inner width m), V visual tokens in 4 V
patches, J joints with one prompt each of T further tokens, and b bytes a value:

    P   = L (2 h q e + 2 h k e + 3 h i)              weights of the layers of the language model
    P_v = D (4 d d + 2 d m)                          weights of the layers of the vision tower
    prefill = 2 P (V + J T) + 2 L q e (V^2 + 2 V J T)    language model, attention by the causal half
            + 8 P_v V + 64 D d V^2                       vision tower, attention of all patches to all
    pass    = b (P + h C)                            weights that are read for the next token of all answers
            + 2 b L k e (V + J T)                    their keys and values, of which the image's are read once

Operations are multiplications and additions. An answer takes the prefill, which gives the first coordinate, and eight
further passes: TAIHRI's format has four numbers of the person's box, then u, v, x, y and z of all joints at once. The
time of each part is at least operations by arithmetic rate and bytes by bandwidth, whichever is longer.
Real engines need more: kernels do not reach the peak, and small ones have fixed times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from taihri_ros.inference.checkpoint.random_checkpoint import SHAPES, Shape

PROMPT_TOKENS = 45
"""Tokens of the prompt and the template for one joint, after the prefix that all share."""

PASSES = 8
"""Passes after the prefill, in TAIHRI's own format; a checkpoint that answers without the box needs four."""

_VALUE_BYTES = 2


@dataclass(frozen=True)
class Device:
    """A device, by its data sheet.

    Attributes:
        bandwidth: Of its memory, bytes/s.
        operations: Multiplications and additions in bfloat16 with dense matrices, 1/s.
    """

    bandwidth: float
    operations: float


DEVICES: Mapping[str, Device] = {
    "Jetson AGX Orin 64 GB": Device(204.8e9, 43e12),
    "Jetson AGX Thor": Device(273e9, 259e12),
    "GeForce RTX 4090": Device(1008e9, 165e12),
    "H100 SXM": Device(3350e9, 989e12),
}
"""NVIDIA's data sheets; where they give rates of sparse matrices or of narrower types, the halves and quarters."""

VIEWS = (("person crop", 80), ("640x480", 300), ("1000x1000", 961), ("1400x1400", 1849))
"""Views and their visual tokens of 32x32 px."""


@dataclass(frozen=True)
class Counts:
    """Operations and bytes of one answer.

    Attributes:
        prefill_operations: Operations of the prefill with the vision tower.
        prefill_bytes: Bytes of all weights, which the prefill reads once.
        pass_bytes: Bytes that each further pass reads.
        pass_operations: Operations of each further pass.
    """

    prefill_operations: float
    prefill_bytes: float
    pass_bytes: float
    pass_operations: float

    def least_ms(self, device: Device) -> tuple[float, float]:
        """Return the least time of the prefill and of a further pass on a device, ms."""
        prefill = max(self.prefill_operations / device.operations, self.prefill_bytes / device.bandwidth)
        later = max(self.pass_operations / device.operations, self.pass_bytes / device.bandwidth)
        return 1e3 * prefill, 1e3 * later


def count(shape: Shape, visual_tokens: int, joints: int) -> Counts:
    """Count the operations and bytes of an answer, by the formulas of this module.

    Args:
        shape: Sizes of the model.
        visual_tokens: Number of visual tokens of the view.
        joints: Number of joints, with one prompt each.

    Returns:
        The counts.
    """
    text, vision = shape.text, shape.vision
    layers, width = text["num_hidden_layers"], text["hidden_size"]
    queries = text["num_attention_heads"] * text["head_dim"]
    keys = text["num_key_value_heads"] * text["head_dim"]
    weights = layers * (2 * width * queries + 2 * width * keys + 3 * width * text["intermediate_size"])
    head = width * text["vocab_size"]
    depth, inner = vision["depth"], vision["hidden_size"]
    vision_weights = depth * (4 * inner**2 + 2 * inner * vision["intermediate_size"])
    prompts = joints * PROMPT_TOKENS
    tokens = visual_tokens + prompts
    prefill = (
        2.0 * weights * tokens
        + 2.0 * layers * queries * (visual_tokens**2 + 2 * visual_tokens * prompts)
        + 8.0 * vision_weights * visual_tokens
        + 64.0 * depth * inner * visual_tokens**2
    )
    cache = 2 * layers * keys * tokens
    return Counts(
        prefill_operations=prefill,
        prefill_bytes=float(_VALUE_BYTES * (weights + head + vision_weights)),
        pass_bytes=float(_VALUE_BYTES * (weights + head + cache)),
        pass_operations=2.0 * joints * (weights + head),
    )


def rows(shapes: Sequence[str], joints: int) -> Iterator[tuple[str, str, list[tuple[float, float, float]]]]:
    """Compute the least times on all devices.

    Args:
        shapes: Names of `SHAPES`.
        joints: Number of joints.

    Yields:
        Shape, view, and for each of `DEVICES` the time of the prefill, of a further pass and of the answer, ms.
    """
    for name in shapes:
        for view, tokens in VIEWS:
            times = [count(SHAPES[name], tokens, joints).least_ms(device) for device in DEVICES.values()]
            yield name, view, [(prefill, later, prefill + PASSES * later) for prefill, later in times]


def main() -> None:
    """Print the table in Markdown: the least time of an answer, with its prefill in brackets, ms."""
    for joints in (2, 22):
        print(f"\n{joints} joints\n\n| shape | view | {' | '.join(DEVICES)} |\n| -- | -- |{' -: |' * len(DEVICES)}")
        for name, view, times in rows(("2b", "4b"), joints):
            cells = " | ".join(f"{total:.1f} ({prefill:.1f})" for prefill, _, total in times)
            print(f"| {name} | {view} | {cells} |")


if __name__ == "__main__":
    main()

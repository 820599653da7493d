"""The check for the day when a GPU is at hand: right answers, and how far the times are from what the GPU allows.

    make gpu-check
    .venv-vllm/bin/python -m taihri_ros.evaluation.benchmark.gpu_check --shapes tiny --images 5 --out out/check.md

For taihri-nano and a random checkpoint of each shape it compares the tokens of vLLM with those of transformers,
measures the prefill and the passes of views of several sizes beside the least time that the memory bandwidth allows,
and runs `taihri bench` against the published recipe. The report says what was not right, and the exit status is then 1.
It also runs on a CPU, where the shape 2b takes some minutes.
"""

from __future__ import annotations

import subprocess
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.benchmark.memory_bandwidth import bytes_of_pass, measure_bandwidth
from taihri_ros.evaluation.benchmark.process_usage import machine
from taihri_ros.evaluation.benchmark.token_agreement import Agreement, compare_answers
from taihri_ros.evaluation.benchmark.view_cost import VIEWS, ViewCost, measure_views, noise_request
from taihri_ros.inference.checkpoint.files import read_json
from taihri_ros.inference.checkpoint.random_checkpoint import SHAPES, build_shape
from taihri_ros.inference.checkpoint.safetensors_header import read_tensors
from taihri_ros.inference.engine import Engine, EngineInfo, RawAnswer
from taihri_ros.inference.factory import open_engine
from taihri_ros.inference.framework_imports import require
from taihri_ros.resources import NANO

_COMPARED = ((2, 4), (22, 2))
"""Numbers of joints, and of views with so many, whose tokens are compared."""

_COMPARED_VIEW = (256, 192)


@dataclass(frozen=True)
class Checked:
    """What was found about one checkpoint.

    Attributes:
        info: The vLLM engine whose times were measured.
        exact: The tokens of vLLM beside those of transformers, both in float32.
        rounded: The same in the data type of `info`; equal tokens cannot be expected of bfloat16.
        views: The cost of views.
        pass_bytes: Bytes of the weights that a pass reads.
        recipe: Lines of `taihri bench`, or what it said instead.
    """

    info: EngineInfo
    exact: Agreement
    rounded: Agreement
    views: tuple[ViewCost, ...]
    pass_bytes: int
    recipe: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        """Whether the tokens in float32 are those of transformers, but for ties."""
        return self.exact.is_tied


def main() -> None:
    """Check as the command line specifies, and write the report."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="*", default=["2b"], choices=sorted(SHAPES), help="default: 2b")
    parser.add_argument("--checkpoints", type=Path, default=Path("out/gpu"), help="directory of the random checkpoints")
    parser.add_argument("--images", type=int, default=40, help="images of `taihri bench`; 0: no run (default: 40)")
    parser.add_argument("--out", type=Path, default=Path("out/gpu/report.md"), help="default: out/gpu/report.md")
    arguments = parser.parse_args()
    try:
        checkpoints = [NANO, *(build_shape(arguments.checkpoints / shape, shape) for shape in arguments.shapes)]
        checked = [check(checkpoint, arguments.images) for checkpoint in checkpoints]
    except TaihriError as error:
        sys.exit(f"error: {error}")
    text = "\n".join(report(checked, measure_bandwidth("cuda" if _has_gpu() else "cpu"))) + "\n"
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text, encoding="utf-8")
    print(text)
    sys.exit(0 if all(one.is_right for one in checked) else 1)


def check(checkpoint: Path, images: int) -> Checked:
    """Check one checkpoint.

    Args:
        checkpoint: Its directory.
        images: Number of images of `taihri bench`; 0 to leave it out.

    Returns:
        What was found.

    Raises:
        EngineError: An engine cannot load the checkpoint.
    """
    with open_engine("vllm", str(checkpoint)) as engine:
        info = engine.info
        rounded = _answers(engine)
        views = tuple(measure_views(engine, _views(info), (2, 22), 3))
    recipe = _bench(checkpoint, images) if images else ("not run",)
    exact = _opened_answers("vllm", checkpoint, "float32")
    config, tensors = read_json(checkpoint / "config.json"), read_tensors(checkpoint)
    return Checked(
        info=info,
        exact=compare_answers(exact, _opened_answers("transformers", checkpoint, "float32")),
        rounded=compare_answers(rounded, _opened_answers("transformers", checkpoint, info.dtype)),
        views=views,
        pass_bytes=bytes_of_pass(tensors, config, info.dtype),
        recipe=recipe,
    )


def report(checked: Sequence[Checked], bandwidth: float) -> Iterator[str]:
    """Write the report.

    Args:
        checked: What was found.
        bandwidth: Of the device's memory, measured, bytes/s.

    Yields:
        Its lines, as Markdown.
    """
    info = checked[0].info
    yield f"# Check of {info.device}"
    yield f"\nvLLM {info.version}, {machine()}. Measured bandwidth of the memory: {bandwidth / 1e9:.0f} GB/s."
    for one in checked:
        spec = one.info.spec
        least = 1e3 * one.pass_bytes / bandwidth
        yield f"\n## {spec.name}, {one.info.dtype}\n"
        verdict = "right" if one.is_right else "WRONG: do not use this installation, and report this"
        yield f"- Tokens beside transformers', both in float32: {one.exact}: {verdict}."
        yield f"- The same in {one.info.dtype}, where rounding decides between neighbouring bins: {one.rounded}."
        yield f"- A pass reads at least {one.pass_bytes / 1e6:.0f} MB of weights: {least:.2f} ms at this bandwidth."
        yield "\n| view | visual tokens | joints | prefill, ms | a further pass, ms | of the least | answer, ms |"
        yield "| -- | -: | -: | -: | -: | -: | -: |"
        for view in one.views:
            yield (
                f"| {view.view} | {view.visual_tokens} | {view.joints} | {view.prefill_ms:.1f} | {view.pass_ms:.2f} "
                f"| {view.pass_ms / least:.1f} | {view.total_ms:.1f} |"
            )
        yield "\n`taihri bench`, the node beside the published recipe:\n"
        yield from (f"    {line}" for line in one.recipe)


def _has_gpu() -> bool:
    return bool(require("torch", "vllm").cuda.is_available())


def _answers(engine: Engine) -> list[RawAnswer]:
    """Return the answers to the compared questions, which are the same for every engine."""
    rng = np.random.default_rng(1)
    counts = [joints for joints, repetitions in _COMPARED for _ in range(repetitions)]
    requests = [noise_request(engine.info, _COMPARED_VIEW, joints, rng) for joints in counts]
    return [answer for request in requests for answer in engine.generate(request).answers]


def _opened_answers(kind: Literal["vllm", "transformers"], checkpoint: Path, dtype: str) -> list[RawAnswer]:
    with open_engine(kind, str(checkpoint), options={"dtype": dtype}) as engine:
        return _answers(engine)


def _views(info: EngineInfo) -> list[str]:
    """Return the views of the list that the model accepts, or its largest one."""
    width, height = info.spec.max_image_size
    fitting = [view for view in VIEWS if _fits(view, width, height)]
    return fitting or [f"{width}x{height}"]


def _fits(view: str, width: int, height: int) -> bool:
    own_width, own_height = map(int, view.split("x"))
    return own_width <= width and own_height <= height


def _bench(checkpoint: Path, images: int) -> tuple[str, ...]:
    """Run `taihri bench` in a process of its own, as the engine of this one may still hold memory."""
    run = subprocess.run(
        [
            *(sys.executable, "-m", "taihri_ros.cli", "bench", "--engine", "vllm"),
            *("--model", str(checkpoint), "--images", str(images)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in run.stdout.splitlines() if line.strip()]
    return tuple(lines) if run.returncode == 0 else (f"failed: {run.stderr.strip().splitlines()[-1]}",)


if __name__ == "__main__":
    main()

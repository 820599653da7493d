"""What a view costs an engine, by its size: prefill, passes of the decoding, and memory.

    .venv-vllm/bin/python -m taihri_ros.inference.checkpoint.random_checkpoint out/random-2b --shape 2b
    .venv-vllm/bin/python -m taihri_ros.evaluation.benchmark.view_cost --model out/random-2b --views 640x480 992x992

The views are noise: the time of a pass does not depend on what a view shows, nor on the weights, so that random weights
of the published sizes will do. Answers are decoded as the node decodes them, one prompt for each joint. Each view is
another one, so that no cached prefix shortens the prefill.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from taihri_ros.evaluation.benchmark.aggregates import median
from taihri_ros.evaluation.benchmark.comparison import joint_count_command
from taihri_ros.evaluation.benchmark.process_usage import peak_resident_mb
from taihri_ros.evaluation.benchmark.script_options import make_parser, print_rows, write_json
from taihri_ros.inference.engine import Engine, EngineInfo, GenerationRequest
from taihri_ros.inference.factory import open_engine
from taihri_ros.pipeline.prompt_batch import make_prompt_batch

VIEWS = ("320x256", "640x480", "992x992")


@dataclass(frozen=True)
class ViewCost:
    """The cost of the answers about one view, medians of several views.

    Attributes:
        view: Width and height, such as `640x480`, px.
        visual_tokens: Number of its visual tokens.
        joints: Number of joints that are asked for.
        prefill_ms: From the request to the first coordinate, ms.
        pass_ms: Time of each further pass, ms.
        passes: Number of passes, including the prefill.
        total_ms: From the request to the answer, ms.
        peak_mb: Largest memory that this process has had so far, MB.
    """

    view: str
    visual_tokens: int
    joints: int
    prefill_ms: float
    pass_ms: float
    passes: int
    total_ms: float
    peak_mb: float


def main() -> None:
    """Measure as the command line specifies."""
    parser = make_parser(__doc__, engine="vllm", images=3, with_model=True)
    parser.add_argument("--views", nargs="+", default=list(VIEWS), help=f"WIDTHxHEIGHT (default: {' '.join(VIEWS)})")
    parser.add_argument("--joints", nargs="+", type=int, default=[2, 22], help="numbers of joints (default: 2 22)")
    arguments = parser.parse_args()
    with open_engine(arguments.engine, arguments.model) as engine:
        costs = list(measure_views(engine, arguments.views, arguments.joints, arguments.images))
    rows = [asdict(cost) for cost in costs]
    print_rows(rows)
    write_json(arguments.out, rows)


def measure_views(engine: Engine, views: Sequence[str], joint_counts: Sequence[int], images: int) -> Iterator[ViewCost]:
    """Measure views of several sizes for several numbers of joints, after one view to warm up.

    Args:
        engine: The engine.
        views: Width and height of each view, such as `640x480`; multiples of the model's visual token.
        joint_counts: Numbers of joints to ask for.
        images: Number of views of each kind.

    Yields:
        The cost of each kind of view, in the order of the arguments.
    """
    rng = np.random.default_rng(0)
    for view in views:
        width, height = map(int, view.split("x"))
        for count in joint_counts:
            generations = [
                engine.generate(noise_request(engine.info, (width, height), count, rng)) for _ in range(images + 1)
            ][1:]
            prefill = median([each.timings_ms["prefill"] for each in generations], 2)
            passes = generations[0].steps
            decode = median([each.timings_ms["decode"] for each in generations], 2)
            yield ViewCost(
                view=view,
                visual_tokens=width * height // engine.info.spec.image_multiple**2,
                joints=count,
                prefill_ms=prefill,
                pass_ms=round(decode / (passes - 1), 2) if passes > 1 else math.nan,
                passes=passes,
                total_ms=median([each.timings_ms["total"] for each in generations], 2),
                peak_mb=peak_resident_mb(os.getpid()),
            )


def noise_request(info: EngineInfo, size: tuple[int, int], count: int, rng: np.random.Generator) -> GenerationRequest:
    """Return the node's request for some joints in a view of noise.

    Args:
        info: The engine's description.
        size: Width and height of the view, px.
        count: Number of joints.
        rng: Random generator of the noise.

    Returns:
        The request.
    """
    batch = make_prompt_batch(joint_count_command(count), info, "per_joint")
    return GenerationRequest(
        image=rng.integers(0, 256, (size[1], size[0], 3), np.uint8),
        questions=batch.questions,
        max_tokens=batch.max_tokens,
        repetition_penalty=info.spec.repetition_penalty,
        jump_forward=batch.jump_forward,
    )


if __name__ == "__main__":
    main()

"""Accuracy and visual tokens of the person crop, compared with the full view.

    .venv-vllm/bin/python -m taihri_ros.evaluation.benchmark.crop_accuracy --data out/synthetic/test

Every image is processed twice with the same command: in the full view, and in the person crop of the first estimate.
The difference of the errors is paired by image and joints.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np

from taihri_ros.commands.command import Command, joint_command
from taihri_ros.evaluation.benchmark.aggregates import mean, median, position_errors_mm
from taihri_ros.evaluation.benchmark.script_options import make_parser, write_json
from taihri_ros.evaluation.datasets.items import Item
from taihri_ros.evaluation.datasets.readers import open_data
from taihri_ros.inference.factory import open_engine
from taihri_ros.pipeline.belief import OFF, BeliefGate
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.person_crop import PersonCrop
from taihri_ros.skeleton import INDEX, JOINTS

COMMANDS = {"all joints": JOINTS, "wrists": ("left_wrist", "right_wrist")}


def main() -> None:
    """Run the benchmark from the command line."""
    parser = make_parser(__doc__, engine="transformers", with_model=True)
    parser.add_argument("--data", required=True, help="data set, as for `taihri eval`")
    parser.add_argument("--mode", default="auto", choices=["always", "auto"], help="mode of the crop (default: auto)")
    parser.add_argument("--every", type=int, default=1, help="use only every n-th image")
    arguments = parser.parse_args()
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in COMMANDS}
    with open_engine(arguments.engine, arguments.model) as engine:
        estimator = Estimator(engine, gate=BeliefGate(*OFF))
        for item in itertools.islice(open_data(arguments.data).items(), 0, None, arguments.every):
            for name, joints in COMMANDS.items():
                requested = [joint for joint in joints if item.truth.in_image[INDEX[joint]]]
                if requested:
                    rows[name].append(compare(estimator, PersonCrop(arguments.mode), item, joint_command(requested)))
    summaries = {name: summarize_pairs(found) for name, found in rows.items()}
    print(json.dumps(summaries, indent=2))
    write_json(arguments.out, summaries)


def compare(estimator: Estimator, person_crop: PersonCrop, item: Item, command: Command) -> dict[str, float]:
    """Process an image in the full view and in the person crop.

    Args:
        estimator: Estimator with the model.
        person_crop: A new person crop.
        item: The image.
        command: The command.

    Returns:
        `tokens`, `error` (mm) and `ms` of the full view; the same with the prefix `crop_` unless the crop is the full
        view.
    """
    camera, image, spec = item.truth.camera, item.image(), estimator.engine.info.spec
    found: dict[str, float] = {}
    full = person_crop.view(camera, spec, command.joints, 1)
    view = full
    for prefix in ("", "crop_"):
        estimate = estimator.estimate(image, camera, command, view=view)
        found |= {
            f"{prefix}tokens": view.width * view.height / spec.image_multiple**2,
            f"{prefix}error": float(np.mean(position_errors_mm(estimate.person.located, item.truth.joints))),
            f"{prefix}ms": estimate.stages_ms["engine"],
        }
        person_crop.update(estimate, view, 1)
        view = person_crop.view(camera, spec, command.joints, 2)
        if view is full:
            break
    return found


def summarize_pairs(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Summarise the comparison; means are over images.

    Args:
        rows: Results of `compare`.

    Returns:
        Pairs of full view and person crop for the cropped images, the difference of the errors with its standard error,
        and the errors over all images.
    """
    cropped = [row for row in rows if "crop_error" in row]
    if not cropped:
        return {"images": len(rows), "cropped": 0}
    differences = np.array([row["crop_error"] - row["error"] for row in cropped])
    return {
        "images": len(rows),
        "cropped": len(cropped),
        "visual_tokens": [mean([row[name] for row in cropped]) for name in ("tokens", "crop_tokens")],
        "error_mm": [mean([row[name] for row in cropped]) for name in ("error", "crop_error")],
        "difference_mm": mean(differences),
        "standard_error_mm": round(float(differences.std() / np.sqrt(len(differences))), 1),
        "median_difference_mm": median(differences),
        "engine_ms": [median([row[name] for row in cropped]) for name in ("ms", "crop_ms")],
        "all_images_mm": [
            mean([row["error"] for row in rows]),
            mean([row.get("crop_error", row["error"]) for row in rows]),
        ],
    }


if __name__ == "__main__":
    main()

"""What the view that follows the person costs in accuracy and saves in visual tokens: full view against foveated.

    .venv-vllm/bin/python -m taihri_ros.evaluation.benchmark.crop_accuracy --data out/synthetic/test

Each picture is asked about in the full view; the answer tells the fovea where to look, and the same question is asked
again in its view. The difference of the errors is paired: the same picture, the same joints.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from taihri_ros.commands.command import Command, joint_command
from taihri_ros.evaluation.datasets.items import Item
from taihri_ros.evaluation.datasets.readers import open_data
from taihri_ros.inference.factory import open_engine
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.person_crop import PersonCrop
from taihri_ros.resources import NANO
from taihri_ros.skeleton import INDEX, JOINTS

QUESTIONS = {"all joints": JOINTS, "wrists": ("left_wrist", "right_wrist")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--engine", default="transformers", choices=["vllm", "transformers"])
    parser.add_argument("--model", default=str(NANO))
    parser.add_argument("--mode", default="auto", choices=["always", "auto"])
    parser.add_argument("--every", type=int, default=1, help="use every so-many-th picture")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in QUESTIONS}
    with open_engine(arguments.engine, arguments.model) as engine:
        estimator = Estimator(engine)
        for item in itertools.islice(open_data(arguments.data).items(), 0, None, arguments.every):
            for name, joints in QUESTIONS.items():
                asked = [joint for joint in joints if item.truth.in_image[INDEX[joint]]]
                if asked:
                    rows[name].append(compare(estimator, PersonCrop(arguments.mode), item, joint_command(asked)))
    figures = {name: summarise(found) for name, found in rows.items()}
    print(json.dumps(figures, indent=2))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def compare(estimator: Estimator, person_crop: PersonCrop, item: Item, command: Command) -> dict[str, float]:
    """Ask twice about one picture."""
    camera, image, spec = item.truth.camera, item.image(), estimator.engine.info.spec
    view = person_crop.view(camera, spec, command.joints, 1)
    whole = estimator.estimate(image, camera, command, view=view)
    person_crop.update(whole, view, 1)
    near = person_crop.view(camera, spec, command.joints, 2)
    found = {"tokens": view.width * view.height / spec.image_multiple**2, "error": error_mm(whole, item)}
    found |= {"ms": whole.stages_ms["engine"], "joints": len(command.joints)}
    if near is view:
        return found
    again = estimator.estimate(image, camera, command, view=near)
    tokens = near.width * near.height / spec.image_multiple**2
    return found | {"fovea_tokens": tokens, "fovea_error": error_mm(again, item), "fovea_ms": again.stages_ms["engine"]}


def error_mm(estimate: Estimate, item: Item) -> float:
    """Give the mean error over the joints."""
    errors = [
        np.linalg.norm(keypoint.position - item.truth.joints[INDEX[keypoint.name]])
        for keypoint in estimate.person.located
    ]
    return 1e3 * float(np.mean(errors))


def summarise(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Compare the pictures that were foveated; means are over pictures."""
    cropped = [row for row in rows if "fovea_error" in row]
    if not cropped:
        return {"pictures": len(rows), "cropped": 0}
    differences = np.array([row["fovea_error"] - row["error"] for row in cropped])
    over_all = [row.get("fovea_error", row["error"]) for row in rows]
    return {
        "pictures": len(rows),
        "cropped": len(cropped),
        "visual_tokens": [
            round(float(np.mean([row[name] for row in cropped])), 1) for name in ("tokens", "fovea_tokens")
        ],
        "error_mm": [round(float(np.mean([row[name] for row in cropped])), 1) for name in ("error", "fovea_error")],
        "difference_mm": round(float(differences.mean()), 1),
        "its_standard_error_mm": round(float(differences.std() / np.sqrt(len(differences))), 1),
        "median_difference_mm": round(float(np.median(differences)), 1),
        "engine_ms": [round(median([row[name] for row in cropped]), 1) for name in ("ms", "fovea_ms")],
        "all_pictures_mm": [
            round(float(np.mean([row["error"] for row in rows])), 1),
            round(float(np.mean(over_all)), 1),
        ],
    }


if __name__ == "__main__":
    main()

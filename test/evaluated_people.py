"""Labelled people for tests of the evaluation, and answers about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import Command, joint_command
from taihri_ros.evaluation.datasets.items import Truth, label
from taihri_ros.evaluation.evaluate import LabelledAnswer
from taihri_ros.evaluation.predictions import JointPrediction, Prediction
from taihri_ros.evaluation.question_plan import Question
from taihri_ros.skeleton import INDEX, JOINTS

WIDTH, HEIGHT = 320, 240
K = [200.0, 0.0, 160.0, 0.0, 200.0, 120.0, 0.0, 0.0, 1.0]
CAMERA = Camera(WIDTH, HEIGHT, np.array(K), np.empty(0), DistortionModel.NONE)

STANDING = np.array(
    [
        [0.00, 0.10, 2.0],
        [0.10, 0.18, 2.0],
        [-0.10, 0.18, 2.0],
        [0.00, 0.00, 2.0],
        [0.11, 0.60, 2.0],
        [-0.11, 0.60, 2.0],
        [0.00, -0.12, 2.0],
        [0.12, 1.00, 2.05],
        [-0.12, 1.00, 2.05],
        [0.00, -0.20, 2.0],
        [0.13, 1.10, 1.95],
        [-0.13, 1.10, 1.95],
        [0.00, -0.40, 2.0],
        [0.08, -0.32, 2.0],
        [-0.08, -0.32, 2.0],
        [0.00, -0.52, 1.97],
        [0.20, -0.32, 2.0],
        [-0.20, -0.32, 2.0],
        [0.28, -0.08, 1.9],
        [-0.28, -0.08, 1.95],
        [0.30, 0.10, 1.7],
        [-0.30, 0.15, 1.9],
    ]
)
"""(22, 3) metres, camera frame: a person at 2 m; the feet are just above the lower edge of the image."""


def moved(x: float, y: float, z: float) -> NDArray[np.float64]:
    """Return the standing person translated by x, y, z in metres."""
    return STANDING + np.array([x, y, z])


def person(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a random person near the camera."""
    return STANDING + rng.normal(0, 0.03, STANDING.shape) + rng.uniform([-0.3, -0.2, -1.0], [0.3, 0.2, 1.0])


def truth(joints: NDArray[np.float64] = STANDING, source: str = "a.png", **others: Any) -> Truth:
    return label(source, CAMERA, joints, **others)


def prediction(joints: NDArray[np.float64], names: tuple[str, ...], camera: Camera = CAMERA) -> Prediction:
    """Return an answer with positions; a joint with a NaN in its position is out of range."""
    found = {}
    for name in names:
        position = joints[INDEX[name]]
        state = "MEASURED" if np.isfinite(position).all() else "OUT_OF_RANGE"
        found[name] = JointPrediction(state, camera.project(position)[0], {"bins": position, "pixel": position})
    return Prediction(found, "", "answer", {"view": 1.0, "engine": 20.0, "parse": 0.5})


def answered(
    known: Truth, joints: NDArray[np.float64], names: tuple[str, ...] = JOINTS, number: int = 0
) -> LabelledAnswer:
    """Return an answer to the question for some joints."""
    return LabelledAnswer(known, Question(number, known.source, joint_command(names)), prediction(joints, names))


def free_answer(names: tuple[str, ...], needed: tuple[str, ...] | None, **others: Any) -> LabelledAnswer:
    """Return an answer to a free command: `names` are the joints that the model selected, `needed` the correct ones."""
    known = truth()
    question = Question(0, known.source, Command("shake my hand"), needed=needed, **others)
    return LabelledAnswer(known, question, prediction(known.joints, names))


def write_manifest(directory: Path, people: list[NDArray[np.float64]], **others: Any) -> Path:
    """Write a manifest with a grey image for each person."""
    path = directory / "manifest.jsonl"
    info = {"width": WIDTH, "height": HEIGHT, "distortion_model": "", "d": [], "k": K}
    lines = []
    for number, joints in enumerate(people):
        cv2.imwrite(str(directory / f"{number}.png"), np.full((HEIGHT, WIDTH, 3), 128, np.uint8))
        labels = dict(zip(JOINTS, joints.tolist(), strict=True))
        lines.append(json.dumps({"image": f"{number}.png", "camera_info": info, "joints": labels} | others))
    path.write_text("\n".join(lines) + "\n")
    return path

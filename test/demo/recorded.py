"""A planner's record with known answers and ground truth."""

from __future__ import annotations

import numpy as np

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import Command, parse_command
from taihri_ros.demo.planner import Answer, Record
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.node.diagnostics import Report
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.skeleton import INDEX, JOINTS

CAMERA = Camera(64, 48, [[50.0, 0, 31.5], [0, 50.0, 23.5], [0, 0, 1]], [], DistortionModel.NONE)
TRUTH = np.column_stack([np.linspace(-0.9, 0.9, len(JOINTS)), np.zeros(len(JOINTS)), np.full(len(JOINTS), 2.0)])
"""Every joint is in the image."""
MEAN_POSE = MeanPose(TRUTH + np.array([0.0, 0.0, 0.5]), "by hand", 1)


def keypoint(name: str, error_m: float) -> Keypoint:
    """Return a joint whose answered position is too far away by `error_m`."""
    position = TRUTH[INDEX[name]] + np.array([0.0, 0.0, error_m])
    return Keypoint(name, State.MEASURED, position=position, pixel=CAMERA.project(position)[0])


def answer(stamp: int, text: str, *keypoints: Keypoint, picture: bool = True) -> Answer:
    image = np.full((CAMERA.height, CAMERA.width, 3), 90, np.uint8) if picture else None
    command = parse_command(text) or Command(text)
    return Answer(stamp, Estimate(command, Person(keypoints, None), "", {}, "by hand"), image)


def record(*answers: Answer) -> Record:
    """Return a record with the ground truth of every answer, and two dropped images."""
    made = Record(camera=CAMERA, answers=list(answers), latencies_ms=[200.0] * len(answers))
    made.truths = {100_000_000 * number: TRUTH for number in range(len(answers) + 3)}
    counters = {"frames_in": str(len(answers) + 2), "published": str(len(answers)), "dropped.newer_frame": "2"}
    made.statuses["perception"] = Report(0, "", counters)
    made.statuses["engine"] = Report(0, "", {"kind": "vllm 0", "model": "nano", "trained": "True", "device": "cpu"})
    return made

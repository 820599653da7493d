"""People made of dots in front of a distorted camera, to train for a few steps."""

from __future__ import annotations

import cv2
import numpy as np
from evaluated_people import STANDING

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.synthetic.dataset import Sample

CAMERA = Camera(
    224,
    168,
    np.array([150.0, 0.0, 118.0, 0.0, 153.0, 80.0, 0.0, 0.0, 1.0]),
    np.array([-0.12, 0.03, 0.001, -0.002, 0.0]),
    DistortionModel.PLUMB_BOB,
)


def make_sample(index: int) -> Sample:
    rng = np.random.default_rng(index)
    joints = STANDING + rng.normal(0.0, [0.3, 0.2, 0.3])
    pixels = CAMERA.project(joints)
    image = np.full((CAMERA.height, CAMERA.width, 3), rng.integers(60, 120, 3), np.uint8)
    for number, place in enumerate(np.nan_to_num(pixels, nan=-100.0)):
        color = (int(255 - 10 * number), int(10 * number), 200)
        cv2.circle(image, np.rint(place).astype(int).tolist(), 5, color, -1, cv2.LINE_AA)
    inside = ((pixels > -0.5) & (pixels < np.array([CAMERA.width, CAMERA.height]) - 0.5)).all(axis=1)
    return Sample(
        encoded=cv2.imencode(".png", image)[1].tobytes(),
        camera=CAMERA,
        joints=joints.astype(np.float32),
        pixels=pixels.astype(np.float32),
        visibility=np.where(inside, 0, 2).astype(np.int8),
        box=np.zeros(4, np.float32),
        task="handshake",
        body={},
        index=index,
        seed=5,
    )

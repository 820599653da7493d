"""The body of a sample's person without clothes, made again from the parameters that the sample holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from taihri_ros.synthetic.dataset import Sample
from taihri_ros.synthetic.people.body import Body, body_model
from taihri_ros.synthetic.people.phenotype import Phenotype
from taihri_ros.synthetic.people.poses import Limb, Pose
from taihri_ros.synthetic.viewpoints import Viewpoint


def bare_body(sample: Sample) -> Body:
    """Return the body of a sample's person.

    Args:
        sample: The sample.

    Returns:
        The body in the camera's optical frame, without clothes and seat; its joints are those of the sample.
    """
    pose = dict(sample.body["pose"])
    for part in ("pelvis", "spine", "head"):
        pose[part] = np.array(pose[part])
    for part in ("arms", "legs"):
        pose[part] = tuple(_limb(values) for values in pose[part])
    bare = body_model().pose([(Phenotype(**sample.body["phenotype"]), Pose(**pose))])[0]
    viewpoint = Viewpoint(np.array(sample.body["eye"]), np.array(sample.body["rotation"]))
    # The soles of shoes lift the body of the sample above this one.
    shift = (sample.joints - viewpoint.to_camera(bare.joints)).mean(axis=0)
    vertices = viewpoint.to_camera(bare.vertices.astype(np.float64)) + shift
    return Body(vertices.astype(np.float32), sample.joints.astype(np.float64), None)


def _limb(values: dict[str, Any]) -> Limb:
    return Limb(np.array(values["target"]), np.array(values["pole"]), values["twist"], values["bend"])

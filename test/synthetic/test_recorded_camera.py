"""The simulated robot camera is recorded with depth that agrees with the true joints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from bag_files import read_bag
from click.testing import CliRunner

from taihri_ros.camera.camera import Camera
from taihri_ros.cli.simulate import command
from taihri_ros.node.compressed_images import decode_compressed
from taihri_ros.node.depth_images import decode_depth
from taihri_ros.node.messages import stamp_ns
from taihri_ros.pipeline.depth_fusion import SURFACE_OFFSETS, surface_depth
from taihri_ros.skeleton import INDEX
from taihri_ros.synthetic.crossing_simulation import CrossingSimulation
from taihri_ros.synthetic.depth_sensor import measured
from taihri_ros.synthetic.recorded_camera import FIRST_STAMP_NS, record
from taihri_ros.synthetic.simulation import Simulation


def test_a_recorded_bag_has_images_depth_and_truth_of_the_same_stamps(tmp_path: Path) -> None:
    simulation = Simulation(seed=1, size=(160, 120), visitors=2)
    assert list(record(simulation, tmp_path / "bag", rate_hz=0.05, images=2)) == [1, 2]
    found = read_bag(tmp_path / "bag")
    names = ("/image/compressed", "/camera_info", "/depth/compressedDepth", "/sim/keypoints")
    assert set(found) == set(names)
    stamps = [FIRST_STAMP_NS, FIRST_STAMP_NS + 20_000_000_000]
    for messages in found.values():
        assert [stamp_ns(message.header) for _, message in messages] == stamps
    images, infos, depths, truths = ([message for _, message in found[topic]] for topic in names)
    camera, pictures = Camera.from_info(infos[0]), [decode_compressed(each) for each in images]
    assert (camera.width, camera.height) == (160, 120)
    np.testing.assert_allclose(camera.K, simulation.camera.K)
    people = []
    for picture, depth, truth in zip(pictures, map(decode_depth, depths), truths, strict=True):
        assert picture.shape == (120, 160, 3)
        assert depth.shape == (120, 160)
        joints = np.array([(p.position.x, p.position.y, p.position.z) for p in truth.poses])
        for name in ("spine2", "spine3", "neck"):
            place, offset = INDEX[name], SURFACE_OFFSETS[name]
            surface = surface_depth(depth, camera.project(joints)[place])
            assert abs(joints[place, 2] - surface - offset.mean) < 0.1, name
        people.append(np.linalg.norm(joints[INDEX["neck"]] - joints[INDEX["pelvis"]]))
    assert people[0] != people[1], "the second person came after 20 s"


def test_several_people_are_recorded_with_the_joints_of_all(tmp_path: Path) -> None:
    simulation = CrossingSimulation(people=2, seed=1, size=(160, 120), render_width=160)
    assert list(record(simulation, tmp_path / "bag", rate_hz=1.0, images=2)) == [1, 2]
    found = read_bag(tmp_path / "bag")
    assert [len(message.poses) for _, message in found["/sim/people"]] == [44, 44]
    assert [len(message.poses) for _, message in found["/sim/keypoints"]] == [22, 22]
    for (_, people), (_, detected) in zip(found["/sim/people"], found["/detections"], strict=True):
        assert stamp_ns(people.header) == stamp_ns(detected.header)
        joints = np.array([(p.position.x, p.position.y, p.position.z) for p in people.poses]).reshape(-1, 22, 3)
        assert detected.detections, "somebody can be seen"
        for each in detected.detections:
            spine = np.clip(simulation.camera.project(joints[int(each.id)])[INDEX["spine2"]], 0, [159, 119])
            box, centre = each.bbox, each.bbox.center.position
            assert abs(spine[0] - centre.x) <= box.size_x / 2
            assert abs(spine[1] - centre.y) <= box.size_y / 2


def test_several_people_at_a_time_are_no_visitors() -> None:
    result = CliRunner().invoke(command, ["--people", "2", "--visitors", "3"])
    assert result.exit_code == 2
    assert "leave them out" in result.output


def test_a_depth_camera_has_noise_holes_and_a_range() -> None:
    depth = np.full((60, 160), 3.0, np.float32)
    depth[:, 80:120] = 1.0
    depth[:, 150:] = 8.0
    found = measured(depth, np.random.default_rng(1))
    assert (found[:, 79] == 0.0).all(), "the second camera does not see what is left of the nearer surface"
    assert (found[:, 152:] == 0.0).all(), "out of range"
    mixed = found[:, 120]
    assert ((mixed > 1.1) & (mixed < 2.9)).mean() > 0.5
    for columns, truth in ((slice(10, 70), 3.0), (slice(85, 115), 1.0)):
        part = found[:, columns]
        assert abs(part.mean() - truth) < 1e-3
        assert abs(part.std() - 0.002 * (truth**2 + 1)) < 1e-3

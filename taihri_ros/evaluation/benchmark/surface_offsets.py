"""Measurement of the surface-to-joint offsets in the table of `pipeline/depth_fusion.py`.

    .venv-vllm/bin/python -m taihri_ros.evaluation.benchmark.surface_offsets

The offset of a joint is its depth minus the depth of the visible surface at its pixel, measured as in the node. It is
computed for random dressed people and cameras of taihri_ros.synthetic, with noise-free depth images. Sigma is half
the width of the central 68.2 % interval, which is the standard deviation of a normal distribution and is robust against
outliers. The script needs an environment with anny and warp.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.evaluation.benchmark.script_options import make_parser, write_json
from taihri_ros.pipeline.depth_fusion import surface_depth
from taihri_ros.skeleton import JOINTS
from taihri_ros.synthetic import labels
from taihri_ros.synthetic.lenses import sample_camera
from taihri_ros.synthetic.people.body import body_model
from taihri_ros.synthetic.people.clothing import dress, sample_outfit
from taihri_ros.synthetic.people.garments import surface
from taihri_ros.synthetic.people.phenotype import sample_phenotype
from taihri_ros.synthetic.people.poses import sample_pose, sample_task
from taihri_ros.synthetic.rendering.renderer import Renderer
from taihri_ros.synthetic.room import Room, sample_room
from taihri_ros.synthetic.viewpoints import Viewpoint, sample_viewpoint

WIDTH = 640
REACH = 2
"""Pixels on each side of a joint in the depth image: the window of `surface_depth` at this width."""
WALL = 6.0
"""Depth of the points behind the person, metres."""


def main() -> None:
    """Run the measurement from the command line."""
    parser = make_parser(__doc__)
    parser.add_argument("--people", type=int, default=500, help="number of people (default: 500, about a minute)")
    parser.add_argument("--views", type=int, default=4, help="number of cameras for each person (default: 4)")
    parser.add_argument("--seed", type=int, default=0, help="seed of people and cameras (default: 0)")
    arguments = parser.parse_args()
    surface_offsets = measure(arguments.people, arguments.views, arguments.seed)
    print(f"{arguments.people} people, {arguments.views} views of each, seed {arguments.seed}; metres")
    print(f"{'joint':<10}{'count':>7}{'median':>8}{'sigma':>8}{'within 3 sigma':>16}")
    rows = [{"joint": name, **summarize_offsets(values)} for name, values in surface_offsets.items() if len(values)]
    for row in rows:
        print("{joint:<10}{count:>7}{median:>8.3f}{sigma:>8.3f}{within:>16.3f}".format(**row))
    write_json(arguments.out, rows)


def summarize_offsets(values: NDArray[np.float64]) -> dict[str, Any]:
    """Return count, median, sigma (m) and the share within 3 sigma of the offsets of a joint, (N,) metres."""
    low, median, high = np.percentile(values, (15.9, 50.0, 84.1))
    sigma = (high - low) / 2.0
    within = np.mean(np.abs(values - median) <= 3.0 * sigma)
    return {"count": len(values), "median": float(median), "sigma": float(sigma), "within": float(within)}


def measure(people: int, views: int, seed: int) -> dict[str, NDArray[np.float64]]:
    """Measure the offsets.

    Args:
        people: Number of people.
        views: Number of cameras for each person.
        seed: Seed of people and cameras.

    Returns:
        (N,) offsets in metres by joint, left and right together.
    """
    places = surface(body_model().template)
    renderer = Renderer(places)
    found: dict[str, list[float]] = defaultdict(list)
    for number in range(people):
        rng = np.random.default_rng([seed, number])
        task, outfit = sample_task(rng), sample_outfit(rng)
        bare = body_model().pose([(sample_phenotype(rng), sample_pose(rng, task))], outfit.thickness(places)[None])[0]
        body = dress(bare, outfit)
        renderer.set_people([(body.vertices, outfit)])
        count = 0
        while count < views:
            camera, _ = sample_camera(rng, WIDTH)
            viewpoint = sample_viewpoint(rng, body, task, camera)
            if viewpoint is None:
                continue
            count += 1
            room = replace(sample_room(rng, viewpoint.eye, ()), primitives=())
            joints = viewpoint.to_camera(body.joints)
            pixels, inside = labels.project(camera, joints)
            gaps = renderer.probe(body.joints, viewpoint, room)
            seen = (labels.visibility(inside, gaps) == labels.VISIBLE) & (gaps[:, 0] > 0.0)
            for joint in np.flatnonzero(seen):
                depth = cast_window(renderer, camera, viewpoint, room, pixels[joint])
                surface_offset = joints[joint, 2] - surface_depth(depth, pixels[joint])
                if np.isfinite(surface_offset):
                    found[JOINTS[joint].removeprefix("left_").removeprefix("right_")].append(surface_offset)
    names = dict.fromkeys(name.removeprefix("left_").removeprefix("right_") for name in JOINTS)
    return {name: np.array(found[name]) for name in names}


def cast_window(
    renderer: Renderer, camera: Camera, viewpoint: Viewpoint, room: Room, pixel: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return a depth image, (height, width) float32 metres, with only the pixels around a joint; NaN elsewhere."""
    around = np.stack(np.meshgrid(*[np.arange(-REACH, REACH + 1)] * 2), axis=-1).reshape(-1, 2)
    pixels = np.floor(pixel + 0.5).astype(int) + around
    pixels = pixels[((pixels >= 0) & (pixels < (camera.width, camera.height))).all(axis=1)]
    rays = camera.unproject(pixels)
    behind = rays * WALL @ viewpoint.rotation.T + viewpoint.eye
    gaps = renderer.probe(behind, viewpoint, room)[:, 0]
    depth = np.full((camera.height, camera.width), np.nan, dtype=np.float32)
    depth[pixels[:, 1], pixels[:, 0]] = WALL - gaps / np.linalg.norm(rays, axis=1)
    return depth


if __name__ == "__main__":
    main()

"""Depth images of both transports arrive over DDS at the embedded host and correct the joints."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from camera_messages import HEIGHT, MESSAGES, WIDTH, camera_info, depth, header, image
from dds_peer import Peer, plain, wait_until
from depth_encoder import compressed_depth
from quick_host import WRIST, running_host

from taihri_ros.node import topics
from taihri_ros.node.dds_host import QoS
from taihri_ros.node.topics import Topic
from taihri_ros.pipeline.depth_fusion import SURFACE_OFFSETS

STAMP = 1_700_000_000_000_000_000
SURFACE = WRIST[2] - SURFACE_OFFSETS["left_wrist"].mean + 0.04
"""Depth of a surface whose wrist lies 4 cm behind the one that the engine sees, metres."""

MILLIMETRES = np.full((HEIGHT, WIDTH), round(SURFACE * 1000), np.uint16)


def raw(encoding: str) -> Any:
    data = MILLIMETRES.view(np.uint8).ravel()
    return depth(STAMP, 0.0, encoding=encoding, step=WIDTH * 2, data=data)


def compressed(codec: str, pixels: np.ndarray) -> Any:
    encoded = compressed_depth(pixels, codec)
    return MESSAGES.make(topics.COMPRESSED_DEPTH.type, header=header(STAMP), format=encoded.format, data=encoded.data)


METRES = MILLIMETRES.astype(np.float32) / np.float32(1000)


@pytest.mark.handles(
    "Depth images", "depth by the transport compressedDepth", "used, with depth.transport compressedDepth"
)
@pytest.mark.parametrize(
    ("transport", "topic", "messages"),
    [
        ("raw", topics.DEPTH, [raw("16UC1"), raw("mono16"), depth(STAMP, float(SURFACE))]),
        (
            "compressedDepth",
            topics.COMPRESSED_DEPTH,
            [compressed(codec, pixels) for codec in ("png", "rvl") for pixels in (MILLIMETRES, METRES)],
        ),
    ],
    ids=["raw", "compressedDepth"],
)
def test_depth_corrects_the_joints(transport: str, topic: Topic, messages: list[Any]) -> None:
    with (
        running_host(depth_enabled=True, depth_transport=transport, depth_tolerance_s=0.0) as (host, domain),
        Peer(domain, name="camera") as camera,
    ):
        for name, kind in (("/image", topics.IMAGE), ("/camera_info", topics.CAMERA_INFO), (f"/{topic.name}", topic)):
            camera.publisher(kind.type, name, QoS(depth=1))
            wait_until(lambda name=name: camera.matched(name))
        camera.subscribe(topics.PERSON.type, "/taihri/person")
        wait_until(lambda: host.subscribers(topics.PERSON))
        camera.publish("/camera_info", plain(camera_info(1)))
        wait_until(lambda: host.application.scheduler.calibrations._known)
        depths = []
        for number, message in enumerate([None, *messages]):
            stamp = STAMP + number
            if message is not None:
                message.header.stamp = MESSAGES.time(stamp)
                camera.publish(f"/{topic.name}", plain(message))
                wait_until(lambda stamp=stamp: host.application._depth.nearest(stamp))
            camera.publish("/image", plain(image(stamp)))
            keypoint = camera.receive("/taihri/person")["keypoints"][0]
            depths.append((keypoint["depth"], keypoint["position"]["z"]))
        (unused, alone), *fused = depths
        assert unused == 0
        assert [use for use, _ in fused] == [1] * len(messages)
        assert min(z for _, z in fused) > alone + 0.001, "the surface is behind what the engine sees"
        assert np.ptp([z for _, z in fused]) < 1e-4, "every encoding gives the same depth"

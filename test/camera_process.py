"""A camera in a process of its own: `python camera_process.py DOMAIN WIDTH HEIGHT RATE SECONDS [STAMPS]`.

It publishes raw images with the time of their publication as stamp, and a latched camera_info. STAMPS is a Python
expression of `number` and time (`now`) of an image and of the time of the first one (`began`), nanoseconds. A process
that is late leaves images out, as a camera whose driver is busy does. It prints how many images it has published.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from camera_messages import MESSAGES, TYPES, camera_info, image

from taihri_ros.node import topics
from taihri_ros.node.dds_host import LATCHED, DdsNode, QoS


def main(domain: str, width: str, height: str, rate: str, seconds: str, stamps: str = "now") -> None:
    columns, rows = int(width), int(height)
    data = np.zeros(rows * columns * 3, np.uint8)
    message = image(1, width=columns, height=rows, step=columns * 3, data=data)
    k = np.array([columns, 0, columns / 2, 0, columns, rows / 2, 0, 0, 1.0])
    with DdsNode("camera", types=TYPES, domain_id=int(domain)) as node:
        info = node.publisher(topics.CAMERA_INFO.type, "/camera_info", LATCHED)
        info.publish(camera_info(1, width=columns, height=rows, k=k))
        publisher = node.publisher(topics.IMAGE.type, "/image", QoS(depth=1))
        while not publisher.matched:
            time.sleep(0.01)
        sent, number, started, began = 0, 0, time.monotonic(), time.time_ns()
        while (elapsed := time.monotonic() - started) < float(seconds):
            now = time.time_ns()
            message.header.stamp = MESSAGES.time(int(eval(stamps, {"number": number, "now": now, "began": began})))
            publisher.publish(message)
            sent += 1
            number = max(number + 1, int(elapsed * float(rate)))
            time.sleep(max(0.0, started + number / float(rate) - time.monotonic()))
        print(sent, flush=True)
        time.sleep(0.5)


def start(
    domain: int, width: int, height: int, *, rate: float, seconds: float, stamps: str = "now"
) -> subprocess.Popen[str]:
    """Start the process; its output is the number of images."""
    arguments = [str(each) for each in (domain, width, height, rate, seconds)]
    return subprocess.Popen(
        [sys.executable, __file__, *arguments, stamps], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

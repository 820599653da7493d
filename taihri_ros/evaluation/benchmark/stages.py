"""Latency of each stage of the embedded node over DDS, from the stamp of an image to the receipt of its result.

    .venv/bin/python -m taihri_ros.evaluation.benchmark.stages --engine-python .venv-vllm/bin/python

This process is the camera and the planner; the node and its engine are two other processes. Each frame is sent after
the previous result has arrived, so that no frame waits in a queue. The processor time of node and engine is measured,
too. A second part sends frames at 30 Hz and measures the memory of node and engine.

The light engine is only as busy as with people in view if it sees somebody: `--engine mediapipe --picture person.jpg`.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.picture_files import read_picture
from taihri_ros.evaluation.benchmark.aggregates import quantiles
from taihri_ros.evaluation.benchmark.process_usage import cpu_seconds, machine, resident_mb
from taihri_ros.evaluation.benchmark.script_options import ENGINES, make_parser, write_json
from taihri_ros.node import topics
from taihri_ros.node.dds_host import DdsNode, QoS, RosTypes, resolve
from taihri_ros.node.messages import Messages, stamp_ns
from taihri_ros.resources import BLAZEPOSE, share_directory
from taihri_ros.synthetic.robot_camera import camera_info

STAGES = ("receive", "queue", "decode", "view", "engine", "parse", "publish", "total")
SIZES = {"640x480": (640, 480), "1280x720": (1280, 720)}
RESULT_TIMEOUT_S = 30.0
WARM_UP = 5
SOAK_RATE_HZ = 30


class CameraAndPlanner:
    """A DDS participant that sends frames and receives the results with their stage times.

    Attributes:
        engine: Status of the engine from the diagnostics.
    """

    def __init__(self, size: tuple[int, int], picture: NDArray[np.uint8] | None = None) -> None:
        """Join DDS.

        Args:
            size: Width and height of the images, px.
            picture: (H, W, 3) uint8 RGB, which is resized and sent as every image; None for noise.
        """
        self._types = RosTypes("jazzy", share_directory())
        self._messages = Messages(self._types.message)
        self._node = DdsNode("bench", types=self._types)
        self._changed = Condition()
        self._answers: dict[int, tuple[int, Any]] = {}
        self.engine: dict[str, str] = {}
        width, height = size
        if picture is None:
            picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        self._image = {
            "height": height,
            "width": width,
            "encoding": "rgb8",
            "is_bigendian": 0,
            "step": width * 3,
            "data": cv2.resize(picture, size, interpolation=cv2.INTER_AREA).ravel(),
        }
        self._calibration = camera_info(self._messages, Camera.ideal(0.9375 * width, width, height))
        self._out = {
            topic: self._node.publisher(topic.type, resolve(topic.name, "taihri"), QoS(depth=topic.depth))
            for topic in (topics.IMAGE, topics.CAMERA_INFO, topics.COMMAND)
        }
        for topic, callback in ((topics.PERSON, self._on_person), (topics.DIAGNOSTICS, self._on_diagnostics)):
            self._node.subscribe(topic.type, resolve(topic.name, "taihri"), callback, QoS(depth=topic.depth))

    def wait_for_engine(self, node: subprocess.Popen[bytes]) -> None:
        """Wait until the engine is ready; exit when the node or the engine fails."""
        while self.engine.get("state") not in ("ready", "busy"):
            if node.poll() is not None or self.engine.get("state") == "failed":
                sys.exit("the node or its engine failed: see above")
            time.sleep(0.1)

    def command(self, text: str) -> None:
        """Publish a command."""
        self._out[topics.COMMAND].publish(self._messages.make(topics.COMMAND.type, data=text))

    def send(self) -> int:
        """Publish an image with its calibration and return its stamp, ns."""
        stamp = time.time_ns()
        header = self._messages.make("std_msgs/msg/Header", stamp=self._messages.time(stamp), frame_id="camera")
        info = self._messages.make(topics.CAMERA_INFO.type, header=header, **self._calibration)
        self._out[topics.CAMERA_INFO].publish(info)
        self._out[topics.IMAGE].publish(self._messages.make(topics.IMAGE.type, header=header, **self._image))
        return stamp

    def measure(self) -> dict[str, float] | None:
        """Send a frame and wait for its result.

        Returns:
            Duration of each stage, ms; None after `RESULT_TIMEOUT_S`.
        """
        stamp = self.send()
        with self._changed:
            if not self._changed.wait_for(lambda: stamp in self._answers, RESULT_TIMEOUT_S):
                return None
            received, message = self._answers.pop(stamp)
            self._answers.clear()
        stages = dict(zip(message.stages, (message.durations * 1e3).tolist(), strict=True))
        total = (received - stamp) / 1e6
        before_publishing = sum(stages[name] for name in STAGES[: STAGES.index("publish")])
        return stages | {"publish": total - before_publishing, "total": total}

    def close(self) -> None:
        """Leave DDS."""
        self._node.close()

    def _on_person(self, message: Any) -> None:
        now = time.time_ns()
        with self._changed:
            self._answers[stamp_ns(message.header)] = (now, message)
            self._changed.notify_all()

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            if status.name.endswith("engine"):
                self.engine = {entry.key: entry.value for entry in status.values}


def main() -> None:
    """Run the benchmark from the command line."""
    parser = make_parser(__doc__, engine="vllm", engines=(*ENGINES, "mediapipe"), images=120)
    parser.add_argument("--engine-python", required=True, help="Python of the engine environment")
    parser.add_argument(
        "--model", help="checkpoint (default: a new tiny one with random weights, or the light engine's)"
    )
    parser.add_argument("--picture", type=Path, help="picture to send, resized (default: noise)")
    parser.add_argument("--command", default="left_wrist, right_wrist", help="command (default: both wrists)")
    parser.add_argument("--soak", type=int, default=3000, help="frames of the memory test, 0 for none (default: 3000)")
    parser.set_defaults(out=Path("out/bench/stages.json"))
    arguments = parser.parse_args()
    os.environ.setdefault("ROS_DOMAIN_ID", "99")
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    model = arguments.model or default_model(arguments.engine, arguments.engine_python, arguments.out.parent / "tiny")
    picture = None if arguments.picture is None else read_picture(arguments.picture)
    report: dict[str, Any] = {"machine": machine(), "model": model, "command": arguments.command, "sizes": {}}
    with running_node(arguments, model) as node:
        for name, size in SIZES.items():
            peer = CameraAndPlanner(size, picture)
            peer.wait_for_engine(node)
            peer.command(arguments.command)
            warm_up = [peer.measure() for _ in range(WARM_UP)]
            engine_pid = int(peer.engine["pid"])
            before = [cpu_seconds(pid) for pid in (node.pid, engine_pid)]
            measured = [stages for _ in range(arguments.images) if (stages := peer.measure())]
            spent = [cpu_seconds(pid) - start for pid, start in zip((node.pid, engine_pid), before, strict=True)]
            if not any(warm_up) or len(measured) < arguments.images:
                sys.exit(f"only {len(measured)} of {arguments.images} frames were answered")
            report["engine"] = peer.engine.get("kind")
            report["sizes"][name] = summarize_stages(measured) | {
                f"processor time of the {process}": {"mean": round(1e3 * seconds / len(measured), 1)}
                for process, seconds in zip(("node", "engine"), spent, strict=True)
            }
            print_table(name, report["sizes"][name])
            if arguments.soak and name == "640x480":
                report["memory"] = soak(peer, node.pid, arguments.soak)
                print_memory(report["memory"])
            peer.close()
    write_json(arguments.out, report)
    print(f"wrote {arguments.out}")


def default_model(kind: str, python: str, directory: Path) -> str:
    """Return the light engine's directory, or else build the tiny checkpoint with the engine's Python."""
    if kind == "mediapipe":
        return str(BLAZEPOSE)
    directory.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [python, "-m", "taihri_ros.inference.checkpoint.tiny_checkpoint", str(directory)], check=True, stdout=sys.stderr
    )
    return str(directory)


@contextmanager
def running_node(arguments: argparse.Namespace, model: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the embedded node with a model, and stop it at the end."""
    command = [sys.executable, "-m", "taihri_ros.cli", "run", "--engine", arguments.engine, "--model", model]
    with subprocess.Popen([*command, "--engine-python", arguments.engine_python]) as node:
        try:
            yield node
        finally:
            node.send_signal(signal.SIGINT)
            node.wait(20)


def summarize_stages(measured: list[dict[str, float]]) -> dict[str, Any]:
    """Return median and 95th percentile of every stage, ms, with the number of frames and the overhead of the node."""
    columns: dict[str, list[float]] = defaultdict(list)
    for stages in measured:
        columns["node without engine"].append(stages["total"] - stages["engine.total"])
        columns["engine total"].append(stages["engine.total"])
        for name in STAGES:
            if name in stages:
                columns[name].append(stages[name])
    table: dict[str, Any] = {name: quantiles(times, 2) for name, times in columns.items()}
    table["frames"] = {"count": len(measured)}
    table["node without engine, relative to engine total"] = {
        "p50": round(table["node without engine"]["p50"] / table["engine total"]["p50"], 3)
    }
    return table


def print_table(name: str, table: dict[str, Any]) -> None:
    """Print the table of `summarize_stages`; the processor times are means."""
    print(f"\n{name}, {table['frames']['count']} frames, milliseconds\n{'stage':<56}{'p50':>9}{'p95':>9}")
    for stage, values in table.items():
        if stage != "frames":
            print(f"{stage:<56}{values.get('p50', values.get('mean')):>9}{values.get('p95', ''):>9}")


def soak(peer: CameraAndPlanner, node_pid: int, frames: int) -> dict[str, Any]:
    """Send frames at 30 Hz and measure the resident memory of node and engine.

    Args:
        peer: Sends the frames.
        node_pid: Process id of the node.
        frames: Number of frames.

    Returns:
        Memory in MB after a tenth of the frames and at the end.
    """
    first: dict[str, float] = {}
    for index in range(frames):
        peer.send()
        time.sleep(1 / SOAK_RATE_HZ)
        if index == frames // 10:
            first = memory_mb(node_pid, int(peer.engine["pid"]))
    return {"frames": frames, "after a tenth": first, "at the end": memory_mb(node_pid, int(peer.engine["pid"]))}


def print_memory(memory: dict[str, Any]) -> None:
    """Print the result of `soak`."""
    print(f"\nresident memory over {memory['frames']} frames at 30 Hz, MB")
    for when in ("after a tenth", "at the end"):
        print(f"{when:<16}" + "  ".join(f"{name} {size}" for name, size in memory[when].items()))


def memory_mb(node: int, engine: int) -> dict[str, float]:
    """Return the resident memory of two processes, MB."""
    return {name: resident_mb(pid) for name, pid in (("node", node), ("engine", engine))}


if __name__ == "__main__":
    main()

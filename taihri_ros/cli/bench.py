"""`taihri bench`: compare the node with the published recipe, or engines with each other."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import click

from taihri_ros.cli.options import engine_options
from taihri_ros.cli.peer_options import KINDS, Peer, peer_options
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.benchmark.process_usage import machine
from taihri_ros.evaluation.benchmark.script_options import write_json
from taihri_ros.inference.process.supervisor import EngineProcess
from taihri_ros.node.configured_engine import checkpoint, local_engine_options, ready_engine
from taihri_ros.node.configured_tracker import make_tracker
from taihri_ros.node.parameter_files import read_parameters
from taihri_ros.node.parameters import ParameterError, Parameters

_SIZES = ((640, 480), (1280, 720))
_JOINT_COUNTS = (2, 22)
_REQUEST_TIMEOUT_S = 60.0


@click.command("bench")
@click.option("--images", type=click.IntRange(5), default=40, show_default=True, help="Images in each case.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Also write the JSON to this file.")
@click.option("-p", "--param", metavar="NAME:=VALUE", multiple=True, help="Set a parameter of the node.")
@peer_options
@engine_options
def command(
    *,
    images: int,
    as_json: bool,
    out: Path | None,
    param: tuple[str, ...],
    peers: Sequence[Peer],
    chosen: dict[str, Any],
) -> None:
    """Compare the latency of the node's pipeline with the recipe that TAIHRI was published with, or with other engines.

    All process the same simulated images, interleaved, on this machine. The recipe runs in this process with the public
    API of the framework, on the same model. With --peer, and for mediapipe, which has no recipe, engines are compared:
    latency, processor time and memory of each engine process. mediapipe is measured twice: following the person, and
    searching each image. This needs an engine environment with the extras `synthetic` and `evaluation`.

    \b
    Examples:
      taihri bench --engine vllm --json
      taihri bench --engine transformers --images 100 --out out/bench/transformers.json
      taihri bench --engine vllm --peer mediapipe --out out/bench/engines.json
      taihri bench -p engine.dtype:=float32 -p person_crop.mode:=never
    """
    parameters = read_parameters((), param, chosen={"engine.python": sys.executable, **chosen})
    if parameters.engine_kind not in KINDS:
        raise ParameterError(f"the benchmark needs an engine on this machine: --engine {' or '.join(KINDS)}")
    say = partial(click.echo, err=as_json)
    if peers or parameters.engine_kind == "mediapipe":
        _check_libraries("anny")
        report = _compare_engines([parameters, *(peer.parameters(_REQUEST_TIMEOUT_S) for peer in peers)], images, say)
    else:
        _check_libraries("anny", "PIL")
        every_joint = replace(parameters, min_confidence=0.0, min_presence=0.0)  # as in the recipe, which refuses none
        report = _compare_with_recipe(every_joint, images, say)
    write_json(out, report)
    if as_json:
        click.echo(json.dumps(report, indent=2))


def _compare_engines(engines: Sequence[Parameters], images: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure the engines, mediapipe in both ways, and return the report."""
    from taihri_ros.evaluation.benchmark.comparison import joint_count_command
    from taihri_ros.evaluation.benchmark.engine_comparison import TimedEngine, compare_engines
    from taihri_ros.evaluation.benchmark.simulated_frames import SimulatedFrames

    cases: list[dict[str, Any]] = []
    with ExitStack() as stack:
        processes: list[tuple[str, EngineProcess, Parameters]] = []
        for parameters in engines:
            for tracking in (True, False) if parameters.engine_kind == "mediapipe" else (True,):
                engine = stack.enter_context(ready_engine(parameters, tracking=tracking))
                assert isinstance(engine, EngineProcess)
                name = f"{engine.info.spec.name} by {engine.info.kind} {engine.info.version}, {engine.info.dtype}"
                processes.append((name if tracking else f"{name}, each image searched", engine, parameters))
        for size, count in product(_SIZES, _JOINT_COUNTS):
            timed = [
                TimedEngine(name, make_tracker(engine, parameters), engine.health.pid or 0)
                for name, engine, parameters in processes
            ]
            results = compare_engines(timed, SimulatedFrames(size), joint_count_command(count), images)
            cases.append({"joints": count, "size": f"{size[0]}x{size[1]}", "engines": results})
            say(f"{count} joints, {size[0]}x{size[1]}")
            for result in results:
                say(_engine_line(result))
    return {"machine": machine(), "cases": cases}


def _compare_with_recipe(parameters: Parameters, images: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure the node and the recipe, each on an engine with half of the GPU memory, and return the report."""
    from taihri_ros.evaluation.benchmark.comparison import compare, joint_count_command
    from taihri_ros.evaluation.benchmark.published_recipe import PublishedRecipe
    from taihri_ros.evaluation.benchmark.simulated_frames import SimulatedFrames
    from taihri_ros.inference.factory import open_engine

    cases: list[dict[str, Any]] = []
    parameters = replace(parameters, engine_gpu_memory_utilization=parameters.engine_gpu_memory_utilization / 2)
    kind, model, options = parameters.engine_kind, checkpoint(parameters), local_engine_options(parameters)
    assert kind in ("vllm", "transformers")
    with ready_engine(parameters) as node_engine, open_engine(kind, model, options=options) as recipe_engine:
        recipe = PublishedRecipe(recipe_engine)
        for size, count in product(_SIZES, _JOINT_COUNTS):
            tracker = make_tracker(node_engine, parameters)
            times = compare(tracker, recipe, SimulatedFrames(size), joint_count_command(count), images)
            cases.append({"joints": count, "size": f"{size[0]}x{size[1]}", **times.summary()})
            say(_recipe_line(cases[-1]))
        info = node_engine.info
    return {
        "engine": f"{info.kind} {info.version}",
        "model": info.spec.name,
        "device": info.device,
        "dtype": info.dtype,
        "machine": machine(),
        "decoding": parameters.decoding,
        "person_crop": parameters.person_crop_mode,
        "cases": cases,
    }


def _check_libraries(*packages: str) -> None:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise TaihriError(
                f"{package} is not installed: run taihri bench in an engine environment with the extras synthetic and "
                "evaluation, or run make bench"
            )


def _engine_line(result: dict[str, Any]) -> str:
    latency, relative = result["latency_ms"], result["relative_latency"]
    return (
        f"  {result['name']}: {latency['p50']:.1f} ms ({latency['p95']:.1f}), times {relative['p50']:.2f}, "
        f"{result['images_per_s']:.0f} images/s, engine {result['engine_cpu_ms']:.0f} ms of processor time and "
        f"{result['engine_memory_mb']:.0f} MB, a joint in {100 * result['found_share']:.0f} % of the images"
    )


def _recipe_line(case: dict[str, Any]) -> str:
    ours, recipe, ratio, engine = (case[name]["p50"] for name in ("ours_ms", "recipe_ms", "ratio", "engine_only_ms"))
    over_model, over_engine = (case[name]["p50"] for name in ("node_over_engine_only", "node_over_engine"))
    return (
        f"{case['joints']:>2} joints, {case['size']:>8}: ours {ours:6.1f} ms, recipe {recipe:6.1f} ms, "
        f"ratio {ratio:.2f}; model passes {engine:6.1f} ms, node over model {over_model:.2f}, "
        f"node over engine {over_engine:.2f}"
    )

"""`taihri bench`: compare the node with the published recipe."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import click

from taihri_ros.cli.options import engine_options
from taihri_ros.errors import TaihriError
from taihri_ros.node.application import make_tracker
from taihri_ros.node.configured_engine import checkpoint, ready_engine
from taihri_ros.node.parameter_files import read_parameters
from taihri_ros.node.parameters import ParameterError

_SIZES = ((640, 480), (1280, 720))
_JOINT_COUNTS = (2, 22)


@click.command("bench")
@click.option("--images", type=click.IntRange(5), default=40, show_default=True, help="Images in each case.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Also write the JSON to this file.")
@click.option("-p", "--param", metavar="NAME:=VALUE", multiple=True, help="Set a parameter of the node.")
@engine_options
def command(*, images: int, as_json: bool, out: Path | None, param: tuple[str, ...], chosen: dict[str, Any]) -> None:
    """Compare the latency of the node's pipeline with the recipe that TAIHRI was published with.

    Both process the same simulated images, interleaved, with the same model and framework on this machine: the node
    with its engine process, the recipe in this process with the public API of the framework. This needs an engine
    environment with the extras `synthetic` and `evaluation`.

    \b
    Examples:
      taihri bench --engine vllm --json
      taihri bench --engine transformers --images 100 --out out/bench/transformers.json
      taihri bench -p engine.dtype:=float32 -p person_crop.mode:=never
    """
    every_joint = {"min_confidence": 0.0, "min_presence": 0.0}  # as in the recipe, which refuses none
    parameters = read_parameters((), param, chosen={"engine.python": sys.executable, **every_joint, **chosen})
    if parameters.engine_kind not in ("vllm", "transformers"):
        raise ParameterError("the benchmark needs --engine vllm or transformers: the recipe is one for language models")
    try:
        from taihri_ros.evaluation.benchmark.comparison import compare, joint_count_command
        from taihri_ros.evaluation.benchmark.published_recipe import PublishedRecipe
        from taihri_ros.evaluation.benchmark.simulated_frames import SimulatedFrames
        from taihri_ros.inference.factory import open_engine
    except ModuleNotFoundError as error:
        raise _missing(error.name) from error
    for package in ("anny", "PIL"):
        if importlib.util.find_spec(package) is None:
            raise _missing(package)
    options: dict[str, object] = {"dtype": parameters.engine_dtype}
    cases: list[dict[str, Any]] = []
    kind, model = parameters.engine_kind, checkpoint(parameters)
    with ready_engine(parameters) as node_engine, open_engine(kind, model, options=options) as recipe_engine:
        recipe = PublishedRecipe(recipe_engine)
        for size in _SIZES:
            for count in _JOINT_COUNTS:
                frames = SimulatedFrames(size)
                times = compare(
                    make_tracker(node_engine, parameters), recipe, frames, joint_count_command(count), images
                )
                cases.append({"joints": count, "size": f"{size[0]}x{size[1]}", **times.summary()})
                click.echo(_line(cases[-1]), err=as_json)
        info = node_engine.info
    report = {
        "engine": f"{info.kind} {info.version}",
        "model": info.spec.name,
        "device": info.device,
        "dtype": info.dtype,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "decoding": parameters.decoding,
        "person_crop": parameters.person_crop_mode,
        "cases": cases,
    }
    text = json.dumps(report, indent=2)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n", encoding="utf-8")
    if as_json:
        click.echo(text)


def _missing(package: str | None) -> TaihriError:
    return TaihriError(
        f"{package} is not installed: run taihri bench in an engine environment with the extras synthetic and "
        "evaluation, or run make bench"
    )


def _line(case: dict[str, Any]) -> str:
    ours, recipe, ratio, engine = (case[name]["p50"] for name in ("ours_ms", "recipe_ms", "ratio", "engine_only_ms"))
    over_model, over_engine = (case[name]["p50"] for name in ("node_over_engine_only", "node_over_engine"))
    return (
        f"{case['joints']:>2} joints, {case['size']:>8}: ours {ours:6.1f} ms, recipe {recipe:6.1f} ms, "
        f"ratio {ratio:.2f}; model passes {engine:6.1f} ms, node over model {over_model:.2f}, "
        f"node over engine {over_engine:.2f}"
    )

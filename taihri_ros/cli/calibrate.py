"""`taihri calibrate`: calibrates the uncertainty of a checkpoint on labelled images."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from taihri_ros.cli.data_options import data_options
from taihri_ros.cli.eval import LONGEST_ANSWER_S, open_configured_engine
from taihri_ros.cli.options import engine_options
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.calibration import Measurements, calibrate, measure, squared_mahalanobis
from taihri_ros.evaluation.datasets.readers import open_data
from taihri_ros.evaluation.metrics import coverage
from taihri_ros.evaluation.predictions import XY_SOURCES
from taihri_ros.model.spec import FILE_NAME, Calibration, ModelSpec
from taihri_ros.node.parameters import Parameters


@click.command("calibrate")
@data_options
@click.option("--dry-run", is_flag=True, help="Print the factors without writing them.")
@engine_options
def command(
    *,
    data: str,
    kind: str | None,
    images: Path | None,
    limit: int | None,
    dry_run: bool,
    in_process: bool,
    chosen: dict[str, Any],
) -> None:
    """Calibrate the uncertainty of a checkpoint and write the factors to its taihri.json.

    The joints in the images are requested by name. From the errors of the answers, factors are computed by which the
    node multiplies the standard deviations of the model, so that covariances and confidences match the errors. Use data
    like that of the robot, but not the data of a later evaluation.

    \b
    Examples:
      taihri calibrate --model ~/TAIHRI --engine vllm --data out/synthetic/validation
      taihri calibrate --model ~/TAIHRI --data robot.jsonl --limit 200 --dry-run
    """
    from taihri_ros.pipeline.estimator import Estimator

    parameters = Parameters.from_mapping({"engine.request_timeout_s": LONGEST_ANSWER_S, **chosen})
    target = None if dry_run else _writable(parameters)
    opened = open_data(data, kind=kind, images=images)
    count = min(opened.length, limit or opened.length)
    measurements: list[Measurements] = []
    with open_configured_engine(parameters, in_process=in_process) as engine:
        estimator = Estimator(engine)
        with click.progressbar(length=count, label="images", file=sys.stderr) as bar:
            for item in itertools.islice(opened.items(), count):
                measured = measure(estimator, item)
                measurements += [measured] if measured is not None else []
                bar.update(1)
    calibration = calibrate(measurements)
    click.echo(_summary(measurements, calibration))
    if target is not None:
        _write(target, calibration)
        click.echo(f"written to {target / FILE_NAME}")


def _writable(parameters: Parameters) -> Path:
    """Return the directory of the checkpoint after checking that its taihri.json can be written."""
    if parameters.engine_kind == "openai":
        raise TaihriError(
            f"{FILE_NAME} of a remote model cannot be written: calibrate the checkpoint on its own machine, "
            "or use --dry-run and copy the factors to the file of engine.spec"
        )
    directory = Path(parameters.engine_model).expanduser()
    if not parameters.engine_model or not directory.is_dir():
        raise TaihriError(
            f"--model must be the directory of the checkpoint whose {FILE_NAME} is written, "
            f"not {parameters.engine_model!r}; or use --dry-run"
        )
    file = directory / FILE_NAME
    ModelSpec.load(directory)
    if not os.access(file if file.exists() else directory, os.W_OK):
        raise TaihriError(f"{file} cannot be written: use a copy of the checkpoint, or --dry-run")
    return directory


def _write(directory: Path, calibration: Calibration) -> None:
    spec = replace(ModelSpec.load(directory), calibration=calibration)
    try:
        ModelSpec.from_dict(spec.to_dict()).save(directory)
    except OSError as error:
        raise TaihriError(f"{directory / FILE_NAME} cannot be written: {error.strerror}") from error


def _summary(measurements: Sequence[Measurements], calibration: Calibration) -> str:
    joints = sum(len(entry.truth) for entry in measurements)
    lines = [f"{len(measurements)} images, {joints} joints answered; percentage within the ellipsoids:", ""]
    lines.append(f"{'':24}{'50 %':>8}{'90 %':>8}{'95 %':>8}")
    for source in XY_SOURCES:
        for name, factors in (("uncalibrated", Calibration()), ("calibrated", calibration)):
            shares = coverage(squared_mahalanobis(measurements, source, factors)).values()
            lines.append(f"{source + ', ' + name:24}" + "".join(f"{100 * share:8.1f}" for share in shares))
    factors_of = {"bins": ("x", "y", "z"), "pixel": ("u", "v", "z")}
    lines += ["", "factors of the standard deviations:"]
    for source in XY_SOURCES:
        named = zip(factors_of[source], getattr(calibration, source), strict=True)
        lines.append(f"{source:8}" + "".join(f"{axis} {factor:<10.4g}" for axis, factor in named).rstrip())
    lines.append("factors for the confidence: " + ", ".join(map("{:.4g}".format, calibration.confidence)))
    return "\n".join(lines)

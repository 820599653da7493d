"""`taihri calibrate`: calibrate the uncertainty of a checkpoint on labelled images."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from taihri_ros.cli.data_options import data_options
from taihri_ros.cli.evaluation_run import open_configured_engine
from taihri_ros.cli.nobody_options import OF_THE_PROJECT, nobody_options, open_nobody
from taihri_ros.cli.options import engine_options
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.belief import calibration as belief_calibration
from taihri_ros.evaluation.belief.answers import PLAN, BeliefAnswers
from taihri_ros.evaluation.belief.nobody_pictures import CALIBRATION_SEED
from taihri_ros.evaluation.belief.search_answers import search_answers
from taihri_ros.evaluation.belief.trade_off import false_alarms, lost_joints
from taihri_ros.evaluation.calibration import Measurements, calibrate, measure, squared_mahalanobis
from taihri_ros.evaluation.datasets.items import Data
from taihri_ros.evaluation.datasets.readers import open_data
from taihri_ros.evaluation.evaluate import LabelledAnswer, evaluate
from taihri_ros.evaluation.metrics import coverage
from taihri_ros.evaluation.predictions import XY_SOURCES
from taihri_ros.evaluation.reports import belief_report
from taihri_ros.inference.checkpoint.lock import renew
from taihri_ros.model.spec import FILE_NAME, Belief, Calibration, ModelSpec
from taihri_ros.node.configured_engine import LONGEST_ANSWER_S
from taihri_ros.node.parameters import Parameters
from taihri_ros.pipeline.belief import BeliefGate
from taihri_ros.pipeline.decoder import XySource
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.resources import expand_home


@click.command("calibrate")
@data_options
@nobody_options("Directory of pictures without people. By default 1,000 that the project makes.")
@click.option(
    "--belief/--no-belief",
    "with_belief",
    default=True,
    show_default=True,
    help="Whether to set the thresholds of confidence and presence too.",
)
@click.option("--dry-run", is_flag=True, help="Print the result without writing it.")
@engine_options
def command(
    *,
    data: str | None,
    kind: str | None,
    images: Path | None,
    limit: int | None,
    nobody: str | None,
    nobody_camera: Path | None,
    nobody_limit: int | None,
    with_belief: bool,
    dry_run: bool,
    in_process: bool,
    chosen: dict[str, Any],
) -> None:
    """Calibrate the uncertainty and the belief of a checkpoint and write them to its taihri.json.

    The joints in the images are requested by name, and the answers are compared with the labels. The node multiplies
    the standard deviations of the model by the factors, so that covariances and confidences match the errors.

    Then labelled pictures and pictures without people are asked about as users do, and the thresholds below which the
    node publishes no joint are chosen: at most 1 % of the pictures without people may have one, and as few joints
    within 200 mm of the truth as possible are lost. A checkpoint that has learned zoomed views is shown those that the
    node takes. Use data like that of the robot, but not the data of a later evaluation.

    \b
    Examples:
      taihri calibrate --model ~/TAIHRI --engine vllm --data out/synthetic/validation
      taihri calibrate --model ~/TAIHRI --data robot.jsonl --limit 200 --dry-run
      taihri calibrate --model ~/TAIHRI --data robot.jsonl --nobody pictures_of_my_empty_rooms
    """
    if data is None:
        raise click.UsageError("Missing option '--data'.")
    parameters = Parameters.from_mapping({"engine.request_timeout_s": LONGEST_ANSWER_S, **chosen})
    target = None if dry_run else _writable(parameters)
    opened = open_data(data, kind=kind, images=images)
    count_of_nobody = max(belief_calibration.COUNT, nobody_limit or 0)
    pictures = (
        open_nobody(nobody or OF_THE_PROJECT, nobody_camera, CALIBRATION_SEED, count_of_nobody) if with_belief else None
    )
    count = min(opened.length, limit or opened.length)
    if pictures is not None:
        belief_calibration.check_counts(min(pictures.length, nobody_limit or pictures.length), count)
    measurements: list[Measurements] = []
    with open_configured_engine(parameters, in_process=in_process) as engine:
        # The factors of the confidence are not known yet: the views of a picture must not depend on them.
        estimator = Estimator(engine, gate=BeliefGate(min_confidence=0.0))
        with click.progressbar(length=count, label="images", file=sys.stderr) as bar:
            for item in itertools.islice(opened.items(), count):
                measured = measure(estimator, item)
                measurements += [measured] if measured is not None else []
                bar.update(1)
        calibration = calibrate(measurements)
        click.echo(_summary(measurements, calibration))
        belief = None
        if pictures is not None:
            spec = replace(engine.info.spec, calibration=calibration)
            searched = search_answers(estimator, pictures, spec, nobody_limit)
            absent = _collect(searched, pictures, nobody_limit, "pictures without people")
            found = evaluate(estimator, opened, PLAN, limit=limit, spec=spec, person_crop="auto")
            present = _collect(found, opened, limit, "questions about the images")
            belief = belief_calibration.calibrate_belief(absent, present)
            click.echo(_belief_summary(belief, absent, present))
    if target is not None:
        _write(target, calibration, belief)
        click.echo(f"written to {target / FILE_NAME}")


def _collect(asked: Iterator[list[LabelledAnswer]], data: Data, limit: int | None, label: str) -> BeliefAnswers:
    """Send questions about the images to the model, with a progress bar."""
    answered: list[LabelledAnswer] = []
    with click.progressbar(length=min(data.length, limit or data.length), label=label, file=sys.stderr) as bar:
        for answers in asked:
            answered += answers
            bar.update(1)
    return BeliefAnswers.collect(answered, "bins")


def _writable(parameters: Parameters) -> Path:
    """Return the directory of the checkpoint after checking that its taihri.json can be written."""
    if parameters.engine_kind == "openai":
        raise TaihriError(
            f"{FILE_NAME} of a remote model cannot be written: calibrate the checkpoint on its own machine, "
            "or use --dry-run and copy the factors to the file of engine.spec"
        )
    directory = expand_home(parameters.engine_model)
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


def _write(directory: Path, calibration: Calibration, belief: Belief | None) -> None:
    spec = replace(ModelSpec.load(directory), calibration=calibration)
    if belief is not None:
        spec = replace(spec, belief=belief)
    try:
        ModelSpec.from_dict(spec.to_dict()).save(directory)
    except OSError as error:
        raise TaihriError(f"{directory / FILE_NAME} cannot be written: {error.strerror}") from error
    renew(directory, FILE_NAME)


def _belief_summary(belief: Belief, nobody: BeliefAnswers, people: BeliefAnswers) -> str:
    offset, *weights = belief.presence
    if np.isfinite(people.log_odds).any():
        offset, weights = offset + belief.log_odds[0], [*weights, belief.log_odds[1]]
    found = {
        "belief": asdict(belief),
        "false_alarms": false_alarms(nobody, belief),
        "lost": lost_joints(people, belief),
    }
    presence = f"presence: offset {offset:g}, weights {', '.join(map('{:g}'.format, weights))}"
    return f"\n{presence}\n{belief_report.summary(found)}"


def _summary(measurements: Sequence[Measurements], calibration: Calibration) -> str:
    joints = sum(len(entry.truth) for entry in measurements)
    lines = [f"{len(measurements)} images, {joints} joints answered; percentage within the ellipsoids:", ""]
    lines.append(f"{'':24}{'50 %':>8}{'90 %':>8}{'95 %':>8}")
    for source in XY_SOURCES:
        for name, factors in (("uncalibrated", Calibration()), ("calibrated", calibration)):
            lines.append(_coverage_line(f"{source}, {name}", measurements, source, factors))
    zoomed = [entry for entry in measurements if entry.zoom != 1.0]
    if zoomed:
        full = [entry for entry in measurements if entry.zoom == 1.0]
        lines += ["", "calibrated, by view:"]
        for name, group in ((f"{len(full)} full", full), (f"{len(zoomed)} zoomed", zoomed)):
            lines += [_coverage_line(f"{source}, {name}", group, source, calibration) for source in XY_SOURCES if group]
    factors_of = {"bins": ("x", "y", "z"), "pixel": ("u", "v", "z")}
    lines += ["", "factors of the standard deviations:"]
    for source in XY_SOURCES:
        named = zip(factors_of[source], getattr(calibration, source), strict=True)
        lines.append(f"{source:8}" + "".join(f"{axis} {factor:<10.4g}" for axis, factor in named).rstrip())
    lines.append("factors for the confidence: " + ", ".join(map("{:.4g}".format, calibration.confidence)))
    return "\n".join(lines)


def _coverage_line(name: str, measurements: Sequence[Measurements], source: XySource, factors: Calibration) -> str:
    shares = coverage(squared_mahalanobis(measurements, source, factors)).values()
    return f"{name:24}" + "".join(f"{100 * share:8.1f}" for share in shares)

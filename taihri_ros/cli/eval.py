"""`taihri eval`: evaluates a checkpoint on a data set."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from taihri_ros.cli.data_options import data_options
from taihri_ros.cli.options import engine_options
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.datasets.readers import open_data
from taihri_ros.evaluation.evaluate import LabelledAnswer, describe_run, evaluate
from taihri_ros.evaluation.mean_pose import SHIPPED, MeanPose
from taihri_ros.evaluation.predictions import PredictionFile
from taihri_ros.evaluation.question_plan import Phrasings, Plan, parse_joints
from taihri_ros.evaluation.reports.report import check_libraries, write_report
from taihri_ros.inference.engine import Engine
from taihri_ros.node.application import UNTRAINED_NOTE
from taihri_ros.node.configured_engine import checkpoint, ready_engine
from taihri_ros.node.parameters import ParameterError, Parameters
from taihri_ros.pipeline.decoder import XySource
from taihri_ros.pipeline.prompt_batch import Decoding

LONGEST_ANSWER_S = 600.0
"""Request timeout of an evaluation; it is long, so that a slow machine is not taken for a hung engine."""


@click.command("eval")
@data_options
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Directory for the results."
)
@click.option(
    "--joints",
    default="in-image",
    show_default=True,
    help="Joints to request by name: in-image, all (labelled), none, or part sets such as left_arm,right_arm.",
)
@click.option(
    "--commands",
    type=click.Choice(["none", "held-out", "all"]),
    default="none",
    show_default=True,
    help="Free commands to send: sentences that are not in the training data, or also those that are.",
)
@click.option(
    "--xy-source",
    type=click.Choice(["bins", "pixel"]),
    default="bins",
    show_default=True,
    help="Source of x and y in the tables and plots; metrics.json has both.",
)
@click.option(
    "--decoding",
    type=click.Choice(["per_joint", "jump_forward", "plain"]),
    default="per_joint",
    show_default=True,
    help="Decoding mode of named joints: batched per-joint prompts, jump-forward decoding, or every token decoded.",
)
@click.option(
    "--mean-pose",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Mean pose for the baseline, a file of `python -m taihri_ros.evaluation.mean_pose`.",
)
@engine_options
def command(
    *,
    data: str,
    kind: str | None,
    images: Path | None,
    out: Path,
    limit: int | None,
    joints: str,
    commands: Phrasings,
    xy_source: XySource,
    decoding: Decoding,
    mean_pose: Path | None,
    in_process: bool,
    chosen: dict[str, Any],
) -> None:
    """Evaluate a checkpoint: errors, uncertainty, joint selection and latency, as JSON, Markdown and plots.

    Run the same command again to continue an interrupted run.

    \b
    Examples:
      taihri eval --model ~/TAIHRI --engine vllm --data out/synthetic/test --commands held-out --out out/eval
      taihri eval --model ~/TAIHRI --data robot.jsonl --joints left_arm,right_arm --out out/eval-arms
      taihri eval --model ~/TAIHRI --data egobody:egobody_test.npz --images ~/EgoBody --out out/eval-egobody
    """
    from taihri_ros.pipeline.estimator import Estimator

    check_libraries()
    plan = Plan(parse_joints(joints), commands)
    opened = open_data(data, kind=kind, images=images)
    baseline = MeanPose.read(mean_pose or SHIPPED)
    parameters = Parameters.from_mapping({"engine.request_timeout_s": LONGEST_ANSWER_S, **chosen})
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TaihriError(f"cannot write to {out}: {error.strerror}") from error
    answered: list[LabelledAnswer] = []
    count = min(opened.length, limit or opened.length)
    with open_configured_engine(parameters, in_process=in_process) as engine:
        run = describe_run(engine.info, opened, plan, decoding)
        with (
            PredictionFile(out / "predictions.jsonl", run) as stored,
            click.progressbar(length=count, label="images", file=sys.stderr) as bar,
        ):
            for answers in evaluate(Estimator(engine, decoding=decoding), opened, plan, stored, limit=limit):
                answered += answers
                bar.update(1)
        trained = engine.info.spec.trained
    if not trained:
        click.echo(f"note: {UNTRAINED_NOTE}", err=True)
    metrics = write_report(out, {**run, "evaluated_images": count}, answered, baseline, xy_source)
    click.echo(_summary(metrics, xy_source, out))


def open_configured_engine(parameters: Parameters, *, in_process: bool) -> Engine:
    """Open the configured engine and wait until it is ready.

    Args:
        parameters: The parameters; `engine.*` are used.
        in_process: Whether to load the model in this process.

    Returns:
        The engine.

    Raises:
        TaihriError: The engine cannot be opened.
    """
    if not in_process:
        return ready_engine(parameters)
    if parameters.engine_kind == "openai":
        raise ParameterError("--in-process needs --engine vllm or transformers")
    from taihri_ros.inference.factory import open_engine

    return open_engine(parameters.engine_kind, checkpoint(parameters), options={"dtype": parameters.engine_dtype})


def _summary(metrics: dict[str, Any], xy_source: XySource, out: Path) -> str:
    lines = [f"malformed answers: {metrics['malformed']} of {metrics['questions']}"]
    model, baseline = metrics["named"][xy_source], metrics["named"]["baseline"]
    if model["joints"]:
        lines += [
            f"G-MPJPE {model['g_mpjpe_mm']:.1f} mm (mean pose {baseline['g_mpjpe_mm']:.1f}), "
            f"missing {100 * model['missing_share']:.1f} % of {model['joints']} joints"
        ]
    if model["pixel_percent_of_width"] is not None:
        lines.append(f"2D error {model['pixel_percent_of_width']:.2f} % of the image width")
    uncertainty = metrics["uncertainty"][xy_source]
    if uncertainty["joints"]:
        shares = " / ".join(f"{100 * share:.1f}" for share in uncertainty["coverage"].values())
        lines.append(f"{' / '.join(uncertainty['coverage'])} ellipsoids cover {shares} %")
    selection = metrics["joint_selection"]
    if selection["questions"]:
        lines.append(f"joint selection: F1 {selection['f1']:.3f} over {selection['questions']} commands")
    return "\n".join([*lines, f"written to {out}: report.md, metrics.json, predictions.jsonl"])

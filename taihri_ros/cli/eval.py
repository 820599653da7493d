"""`taihri eval`: evaluate a checkpoint on a data set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import click

from taihri_ros.cli.data_options import data_options
from taihri_ros.cli.evaluation_run import ask, open_configured_engine
from taihri_ros.cli.nobody_options import nobody_options, open_nobody
from taihri_ros.cli.options import engine_options, threshold_options
from taihri_ros.cli.peer_options import Peer, peer_options
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.belief.answers import PLAN, BeliefAnswers
from taihri_ros.evaluation.belief.nobody_pictures import COUNT, EVALUATION_SEED
from taihri_ros.evaluation.datasets.items import Data
from taihri_ros.evaluation.datasets.readers import open_data
from taihri_ros.evaluation.evaluate import PersonCropChoice
from taihri_ros.evaluation.mean_pose import SHIPPED, MeanPose
from taihri_ros.evaluation.peer_comparison import ModelAnswers
from taihri_ros.evaluation.question_plan import Phrasings, Plan, parse_joints
from taihri_ros.evaluation.reports.belief_report import summary, write_belief_report
from taihri_ros.evaluation.reports.peer_report import comparison_summary
from taihri_ros.evaluation.reports.report import check_libraries, write_report
from taihri_ros.evaluation.reports.tables import with_interval
from taihri_ros.evaluation.selection_metrics import task_table_metrics
from taihri_ros.inference.engine import Engine
from taihri_ros.model.spec import Belief, ModelSpec
from taihri_ros.node.application import UNTRAINED_NOTE
from taihri_ros.node.configured_engine import LONGEST_ANSWER_S
from taihri_ros.node.parameters import Parameters
from taihri_ros.pipeline.belief import BeliefGate
from taihri_ros.pipeline.decoder import XySource
from taihri_ros.pipeline.prompt_batch import Decoding


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
    type=click.Choice(["none", "held-out", "all", "spoken"]),
    default="none",
    show_default=True,
    help="Free commands to send: held-out sentences, which are not in the training data, all sentences, or 80 that "
    "people speak, of which 20 ask for nothing. Without --data, spoken ones are put to the task table alone.",
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
    "--person-crop",
    "person_crops",
    type=click.Choice(get_args(PersonCropChoice)),
    multiple=True,
    default=("auto",),
    show_default=True,
    help="View that the model is shown: never a crop but the full view; auto: as the node processes single pictures, "
    "with a zoomed crop of the person where the checkpoint has learned that; true-box: the crop of the person's true "
    "box. Repeat it to compare: the first is that of the tables.",
)
@click.option(
    "--mean-pose",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Mean pose for the baseline, a file of `python -m taihri_ros.evaluation.mean_pose`.",
)
@nobody_options(
    "Measure false alarms on pictures without people instead: those in DIR, or 500 of the project. With --data, "
    "measure the correct joints that the thresholds lose there too."
)
@click.option(
    "--nobody-seed",
    type=int,
    default=EVALUATION_SEED,
    show_default=True,
    help="Seed of the project's pictures without people: others than those on which thresholds were chosen.",
)
@peer_options
@engine_options
@threshold_options
def command(
    *,
    data: str | None,
    kind: str | None,
    images: Path | None,
    out: Path,
    limit: int | None,
    joints: str,
    commands: Phrasings,
    xy_source: XySource,
    decoding: Decoding,
    person_crops: tuple[PersonCropChoice, ...],
    mean_pose: Path | None,
    nobody: str | None,
    nobody_camera: Path | None,
    nobody_limit: int | None,
    nobody_seed: int,
    in_process: bool,
    peers: Sequence[Peer],
    chosen: dict[str, Any],
) -> None:
    """Evaluate a checkpoint: errors, uncertainty, joint selection and latency, as JSON, Markdown and plots.

    Run the same command again to continue an interrupted run.

    \b
    Examples:
      taihri eval --model ~/TAIHRI --engine vllm --data out/synthetic/test --commands held-out --out out/eval
      taihri eval --model ~/TAIHRI --data robot.jsonl --joints left_arm,right_arm --out out/eval-arms
      taihri eval --model ~/TAIHRI --data robot.jsonl --peer mediapipe --out out/eval-peer
      taihri eval --model ~/TAIHRI --data egobody:egobody_test.npz --images ~/EgoBody --out out/eval-egobody
      taihri eval --commands spoken --out out/eval-task-table
      taihri eval --model ~/TAIHRI --nobody --data out/synthetic/test --out out/eval-nobody
      taihri eval --model ~/TAIHRI --nobody pictures_of_my_empty_rooms --out out/eval-rooms
    """
    if data is None and nobody is None:
        if commands != "spoken":
            raise click.UsageError("Missing option '--data' (or '--nobody').")
        _make_directory(out)
        _evaluate_task_table(out)
        return
    check_libraries()
    if peers and nobody is not None:
        raise click.UsageError("--peer compares positions on labelled pictures: omit --nobody.")
    opened = None if data is None else open_data(data, kind=kind, images=images)
    parameters = Parameters.from_mapping({"engine.request_timeout_s": LONGEST_ANSWER_S, **chosen})
    if nobody is not None:
        pictures = open_nobody(nobody, nobody_camera, nobody_seed, max(COUNT, nobody_limit or 0))
    plan, baseline = Plan(parse_joints(joints), commands), MeanPose.read(mean_pose or SHIPPED)
    _make_directory(out)
    others = [] if opened is None else _ask_peers(peers, opened, plan, decoding, out, limit)
    with open_configured_engine(parameters, in_process=in_process) as engine:
        belief = _thresholds_in_force(engine.info.spec, parameters)
        run = _Run(engine, out, decoding, xy_source, limit, belief)
        if nobody is not None:
            click.echo(_measure_belief(run, pictures, nobody_limit, opened, person_crops[0]))
        elif opened is not None:
            click.echo(_measure_errors(run, opened, plan, person_crops, baseline, others))
        if not engine.info.spec.trained:
            click.echo(f"note: {UNTRAINED_NOTE}", err=True)


@dataclass(frozen=True, eq=False)
class _Run:
    """An engine, how it is asked, and where the results go.

    Attributes:
        engine: The engine.
        out: Directory for the results.
        decoding: Decoding mode of named joints.
        xy_source: Source of x and y in the tables.
        limit: Largest number of images; None for all.
        belief: The thresholds that the node would use.
    """

    engine: Engine
    out: Path
    decoding: Decoding
    xy_source: XySource
    limit: int | None
    belief: Belief


def _measure_belief(
    run: _Run, pictures: Data, nobody_limit: int | None, people: Data | None, person_crop: PersonCropChoice
) -> str:
    """Measure false alarms on pictures without people, and the joints that are lost on those with people, if any."""
    file = run.out / "nobody-predictions.jsonl"
    settings, answered = ask(run.engine, pictures, PLAN, run.decoding, file, nobody_limit, person_crop=person_crop)
    absent, present = BeliefAnswers.collect(answered, run.xy_source), None
    if people is not None:
        file = run.out / "people-predictions.jsonl"
        of_people, answered = ask(run.engine, people, PLAN, run.decoding, file, run.limit, person_crop=person_crop)
        settings |= {"people": of_people["data"], "xy_source": run.xy_source}
        present = BeliefAnswers.collect(answered, run.xy_source)
    found = write_belief_report(run.out, settings, run.belief, absent, present)
    return f"{summary(found)}\nwritten to {run.out}: belief.md, belief.json"


def _measure_errors(
    run: _Run,
    data: Data,
    plan: Plan,
    person_crops: Sequence[PersonCropChoice],
    baseline: MeanPose,
    others: Sequence[ModelAnswers],
) -> str:
    """Measure positions, uncertainty and joint selection on labelled images, beside those of others."""
    first, *further = person_crops
    file = run.out / "predictions.jsonl"
    settings, answered = ask(run.engine, data, plan, run.decoding, file, run.limit, person_crop=first)
    views = []
    for crop in further:
        file = run.out / f"{crop}-predictions.jsonl"
        _, other = ask(run.engine, data, plan, run.decoding, file, run.limit, named_only=True, person_crop=crop)
        views.append(ModelAnswers(f"{settings['name']}, person crop {crop}", other, run.belief))
    peers = [*views, *others]
    metrics = write_report(run.out, settings, answered, baseline, run.xy_source, peers=peers, belief=run.belief)
    return _summary(metrics, run.xy_source, run.out)


def _ask_peers(
    peers: Sequence[Peer], data: Data, plan: Plan, decoding: Decoding, out: Path, limit: int | None
) -> list[ModelAnswers]:
    """Send the named questions to each peer, one engine after the other, so that no two need memory at once."""
    answers = []
    for number, peer in enumerate(peers, 1):
        with open_configured_engine(peer.parameters(LONGEST_ANSWER_S)) as engine:
            file = out / f"peer-{number}-predictions.jsonl"
            run, answered = ask(engine, data, plan, decoding, file, limit, named_only=True)
            answers.append(ModelAnswers(run["name"], answered, engine.info.spec.belief or Belief()))
    return answers


def _make_directory(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TaihriError(f"cannot write to {out}: {error.strerror}") from error


def _evaluate_task_table(out: Path) -> None:
    """Measure the choice of the task table for the spoken commands, and write `commands.json`."""
    metrics = task_table_metrics()
    (out / "commands.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    click.echo("\n".join([*_selection_lines(metrics, "task table"), f"written to {out}: commands.json"]))


def _selection_lines(selection: dict[str, Any], chooser: str) -> list[str]:
    """Return a line for each kind of free commands: how often exactly the right joints were chosen."""
    return [
        f"{chooser}, {name.replace('_', ' ')}: exactly right {_share(entry)}"
        + ("" if entry["f1"] is None else f", F1 {entry['f1']:.3f}")
        for name, entry in selection["by_phrasing"].items()
    ]


def _share(entry: dict[str, Any]) -> str:
    low, high = entry["exact_interval"]
    return f"{entry['exact_share']:.2f} ({low:.2f} to {high:.2f}) of {entry['questions']}"


def _thresholds_in_force(spec: ModelSpec, parameters: Parameters) -> Belief:
    """Return the belief of a checkpoint with the thresholds that the node would use."""
    thresholds = BeliefGate(parameters.min_confidence, parameters.min_presence).thresholds(spec)
    return replace(spec.belief or Belief(), **thresholds._asdict())


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
    if model["joints"]:
        published = metrics["published"]
        error = "" if not published["joints"] else f", G-MPJPE {with_interval(published['g_mpjpe_mm'])} mm"
        lines.append(f"the node would publish {100 * published['joints']:.1f} % of the joints{error}")
    uncertainty = metrics["uncertainty"][xy_source]
    if uncertainty["joints"]:
        shares = " / ".join(f"{100 * share:.1f}" for share in uncertainty["coverage"].values())
        lines.append(f"{' / '.join(uncertainty['coverage'])} ellipsoids cover {shares} %")
    if "comparison" in metrics:
        lines += comparison_summary(metrics["comparison"])
    lines += _selection_lines(metrics["joint_selection"], "model")
    if "task_table" in metrics:
        lines += _selection_lines(metrics["task_table"], "task table")
    return "\n".join([*lines, f"written to {out}: report.md, metrics.json, predictions.jsonl"])

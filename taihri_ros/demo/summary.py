"""Summary of a demo: frames, latency, joints, and errors against the ground truth of the simulated camera."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.demo.people import describe_people, people_summary, selected_truths
from taihri_ros.demo.planner import Answer, Record
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.datasets.items import label
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.evaluation.metrics import distances_mm
from taihri_ros.skeleton import INDEX


def summarize(record: Record, mean_pose: MeanPose) -> dict[str, Any]:
    """Summarise what the planner received. The node's own counters come from its diagnostics.

    Args:
        record: What the planner received.
        mean_pose: The baseline's prediction.

    Returns:
        The content of `summary.json`.

    Raises:
        TaihriError: No keypoints were received.
    """
    if not record.latencies_ms or "perception" not in record.statuses:
        raise TaihriError("no keypoints were received: see the node's messages above")
    if len(record.latencies_ms) == record.empty:
        raise TaihriError(f"the person was found in none of {record.empty} answers: see the node's messages above")
    counters, engine = record.statuses["perception"].values, record.statuses.get("engine")
    engine_values = engine.values if engine else {}
    dropped = {
        name.removeprefix("dropped."): int(count) for name, count in counters.items() if name.startswith("dropped.")
    }
    compared = replace(record, truths=selected_truths(record.people)) if record.people.tracked else record
    p50, p95 = np.percentile(record.latencies_ms, [50, 95])
    commands = dict.fromkeys(answer.estimate.command.text for answer in record.answers)
    answers = {text: [each for each in record.answers if each.estimate.command.text == text] for text in commands}
    return {
        "engine": engine_values.get("kind", "openai"),
        "model": engine_values.get("model", ""),
        "trained": engine_values.get("trained", "True") == "True",
        "device": engine_values.get("device", ""),
        "camera_frames": len(record.truths),
        "camera_rate_hz": round(1e9 / float(np.median(np.diff(list(record.truths)))), 1),
        "frames_in": int(counters["frames_in"]),
        "published": int(counters["published"]),
        "dropped": dropped,
        "received": len(record.latencies_ms),
        "received_empty": record.empty,
        "answer_rate_hz": _rate_hz([answer.stamp_ns for answer in record.answers]),
        "latency_ms": {"p50": round(float(p50), 1), "p95": round(float(p95), 1)},
        **errors(compared, record.answers, mean_pose),
        "joints": {text: _located(answers[text]) for text in answers},
        "by_command": {text: errors(compared, answers[text], mean_pose) for text in answers},
        "transforms": dict(record.transforms),
        **({"people": people_summary(record.people)} if record.people.tracked else {}),
    }


def describe(summary: dict[str, Any]) -> str:
    """Say in words what happened.

    Args:
        summary: The summary.

    Returns:
        One line for each command, and one for all of them; then one for each person and one for all of them, where
        several people were told apart.
    """
    lines = [f"{text!r}: {_found(answers)}" for text, answers in summary["by_command"].items()]
    latency = summary["latency_ms"]
    lines.append(
        f"the person was found in {summary['received'] - summary['received_empty']} of {summary['received']} answers, "
        f"{summary['answer_rate_hz']} a second, {latency['p50']:.0f} ms after the image (95 %: {latency['p95']:.0f} ms)"
    )
    lines += describe_people(summary["people"]) if "people" in summary else []
    return "\n".join(lines)


def check(summary: dict[str, Any]) -> None:
    """Check that every frame was published or counted as dropped.

    Args:
        summary: The summary.

    Raises:
        TaihriError: Some frames were neither published nor dropped.
    """
    frames_in, published, dropped = summary["frames_in"], summary["published"], sum(summary["dropped"].values())
    if frames_in != published + dropped:
        raise TaihriError(f"{frames_in} frames arrived, but {published} were published and {dropped} dropped")


def errors(record: Record, answers: Iterable[Answer], mean_pose: MeanPose) -> dict[str, Any]:
    """Compare answers with the ground truth of the same stamp, for the joints inside the image.

    Args:
        record: The camera and the ground truth.
        answers: The answers; those without ground truth are left out.
        mean_pose: The baseline's prediction for the same joints.

    Returns:
        `gmpjpe_mm` and `baseline_gmpjpe_mm`, None without answered joints; `joints_scored`; `joints_missing`, the count
        of joints that were requested by name and not answered.
    """
    scored, missing = [], 0
    for answer in answers:
        if record.camera is None or answer.stamp_ns not in record.truths:
            continue
        truth = label(str(answer.stamp_ns), record.camera, record.truths[answer.stamp_ns])
        for keypoint in answer.estimate.person.keypoints:
            joint = INDEX[keypoint.name]
            if truth.in_image[joint] and keypoint.has_position:
                scored.append((keypoint.position, mean_pose.joints[joint], truth.joints[joint]))
            elif truth.in_image[joint]:
                missing += keypoint.name in answer.estimate.command.joints
    predicted, baseline, true = np.reshape(scored, (-1, 3, 3)).transpose(1, 0, 2)
    return {
        "gmpjpe_mm": _mean(distances_mm(predicted, true)),
        "baseline_gmpjpe_mm": _mean(distances_mm(baseline, true)),
        "joints_scored": len(scored),
        "joints_missing": missing,
    }


def _found(answers: dict[str, Any]) -> str:
    """Say how many joints were found, and how far off they are."""
    counts = f"joints found {answers['joints_scored']}"
    if answers["joints_missing"]:
        counts += f", not found {answers['joints_missing']}"
    if not answers["joints_scored"]:
        return counts
    mean, baseline = answers["gmpjpe_mm"], answers["baseline_gmpjpe_mm"]
    return f"{counts}; {mean:.0f} mm off on average (the mean pose: {baseline:.0f} mm)"


def _rate_hz(stamps_ns: list[int]) -> float:
    """Return how many of these images there were in a second; 0 if there was only one."""
    span_ns = max(stamps_ns) - min(stamps_ns)
    return round(1e9 * (len(stamps_ns) - 1) / span_ns, 1) if span_ns else 0.0


def _located(answers: Iterable[Answer]) -> dict[str, int]:
    return dict(Counter(keypoint.name for answer in answers for keypoint in answer.estimate.person.located))


def _mean(errors_mm: NDArray[np.float64]) -> float | None:
    return round(float(errors_mm.mean()), 1) if errors_mm.size else None

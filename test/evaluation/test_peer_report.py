"""The comparison with peers in the report of an evaluation."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from evaluated_people import STANDING, answered, person, truth
from required import require

from taihri_ros.evaluation.evaluate import LabelledAnswer
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.evaluation.peer_comparison import ModelAnswers
from taihri_ros.evaluation.reports.peer_report import comparison_summary
from taihri_ros.evaluation.reports.report import write_report
from taihri_ros.skeleton import INDEX

RUN = {"name": "nano", "engine": "transformers", "dtype": "float32", "data": "/data/test", "format": "synthetic"}
RUN |= {"decoding": "per_joint", "evaluated_images": 20}
LOST = 12


def answers(noise_m: float, lost: int = 0, without: str = "") -> list[LabelledAnswer]:
    """Return answers about twenty people; the first `lost` of them are not found, and one joint is never answered."""
    people, rng = np.random.default_rng(0), np.random.default_rng(round(1e4 * noise_m))
    entries = []
    for number in range(20):
        joints = person(people)
        guess = joints + rng.normal(0, noise_m, joints.shape)
        if without:
            guess[INDEX[without]] = np.nan
        guess = np.full_like(guess, np.nan) if number < lost else guess
        entries.append(answered(truth(joints, f"{number}.png"), guess, number=number))
    return entries


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for library in ("matplotlib", "skimage"):
        require(importlib.util.find_spec(library), library, "pip install '.[evaluation]'")
    out = tmp_path_factory.mktemp("peers")
    peers = [ModelAnswers("pose network", answers(0.03, LOST, "left_collar")), ModelAnswers("blind", answers(0.1, 20))]
    write_report(out, RUN, answers(0.1), MeanPose(STANDING, "one person", 1), "bins", peers=peers)
    return out


def test_the_table_has_a_column_for_each_model(report: Path) -> None:
    lines = (report / "report.md").read_text().splitlines()
    found = json.loads((report / "metrics.json").read_text(), parse_constant=pytest.fail)["comparison"]["all"]
    assert "|  | nano | pose network | blind | mean pose |" in lines
    (row,) = [line for line in lines if line.startswith("| G-MPJPE, mm | ") and line.count("|") == 6]
    for cell, entry in zip(row.strip("| ").split(" | ")[1:], found.values(), strict=True):
        low, high = entry["g_mpjpe_mm"]["interval"]
        assert cell == f"{entry['g_mpjpe_mm']['value']:.0f} ({low:.0f} to {high:.0f})"
    (row,) = [line for line in lines if line.startswith("| pictures in which any joint has a position |")]
    assert row.split(" | ")[1:] == ["100.0 % (83.9 to 100.0) of 20", "40.0 % (21.9 to 61.3) of 20",
                                    "0.0 % (0.0 to 16.1) of 20", " |"]  # fmt: skip


def test_what_is_missing_is_said(report: Path) -> None:
    text = (report / "report.md").read_text()
    assert "- nano places joints in every picture." in text
    assert "- pose network places no joint in 12 pictures (0.png, 1.png" in text
    assert "9.png, ...), and never left collar." in text
    assert "Only the 168 joints in 8 pictures that nano and pose network place:" in text
    assert "There is no joint that both nano and blind place." in text


def test_the_plot_shows_every_model(report: Path) -> None:
    assert "![the models](peers.png)" in (report / "report.md").read_text()
    picture = cv2.imread(str(report / "peers.png")).reshape(-1, 3)
    for color in ("#1f6f8b", "#b5372b", "#d99a2b", "#c9c4bb"):
        red, green, blue = bytes.fromhex(color[1:])
        assert (picture == (blue, green, red)).all(axis=1).sum() > 500, color


def test_the_summary_has_a_line_for_each_peer(report: Path) -> None:
    comparison = json.loads((report / "metrics.json").read_text())["comparison"]
    lines = comparison_summary(comparison)
    assert len(lines) == 3
    assert lines[0].startswith("pose network: G-MPJPE ")
    assert lines[0].endswith("joints placed in 40.0 % (21.9 to 61.3) of 20 pictures")
    assert lines[1].startswith("  where both place a joint (8 pictures): nano 1")
    assert lines[2].startswith("blind: G-MPJPE ")

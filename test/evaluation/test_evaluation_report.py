from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from evaluated_people import STANDING, answered, free_answer, person, truth
from required import require
from uncertain_answers import uncertain

from taihri_ros.evaluation.evaluate import LabelledAnswer
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.evaluation.reports.report import check_libraries, write_report

RUN = {"name": "nano", "engine": "transformers", "dtype": "float32", "data": "/data/test", "format": "synthetic"}
RUN |= {"decoding": "per_joint"}
PLOTS = ("error_by_joint.png", "error_by_distance.png", "cumulative_error.png", "error_by_confidence.png")


@pytest.fixture(scope="module")
def run() -> list[LabelledAnswer]:
    rng = np.random.default_rng(1)
    people = [person(rng) for _ in range(10)]
    named = [
        answered(truth(joints), joints + rng.normal(0, 0.05, joints.shape), number=n) for n, joints in enumerate(people)
    ]
    named += [uncertain(rng, number=10 + n) for n in range(10)]
    return [*named, free_answer(("right_wrist",), ("right_wrist",), task="handshake", phrasing="held_out")]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, run: list[LabelledAnswer]) -> Path:
    for library in ("matplotlib", "skimage"):
        require(importlib.util.find_spec(library), library, "pip install '.[evaluation]'")
    check_libraries()
    out = tmp_path_factory.mktemp("report")
    write_report(out, {**RUN, "evaluated_images": 10}, run, MeanPose(STANDING, "one person", 1), "bins")
    return out


def test_the_metrics_file_is_complete(report: Path) -> None:
    metrics = json.loads((report / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert metrics["baseline"] == {"source": "one person", "images": 1}
    assert metrics["run"]["name"] == "nano"
    expected = {"joints", "missing", "missing_share", "g_mpjpe_mm", "g_mpjpe_answered_mm", "median_mm"}
    expected |= {"root_relative_mpjpe_mm", "pa_mpjpe_mm", "depth_mm", "lateral_mm", "pixel_px"}
    expected |= {"pixel_percent_of_width", "pck3d", "out_of_image"}
    for kind in ("bins", "pixel", "baseline"):
        entry = metrics["named"][kind]
        assert set(entry) == expected | {"by_joint", "by_part", "by_distance", "by_visibility"}
        assert set(entry["pck3d"]) == {"50mm", "100mm", "150mm"}
        assert all(set(group) == expected for group in entry["by_joint"].values())
    assert metrics["published"]["joints"] == 1.0, "no thresholds, no missing joint"
    assert metrics["published"]["g_mpjpe_mm"]["value"] == pytest.approx(metrics["named"]["bins"]["g_mpjpe_mm"], abs=0.1)
    assert metrics["joint_selection"]["f1"] == 1
    assert metrics["latency_ms"]["named"]["total"] == {"p50": 21.5, "p95": 21.5}


def test_the_tables_show_the_metrics(report: Path) -> None:
    metrics = json.loads((report / "metrics.json").read_text())["named"]
    lines = (report / "report.md").read_text().splitlines()
    model, baseline = metrics["bins"]["g_mpjpe_mm"], metrics["baseline"]["g_mpjpe_mm"]
    assert f"| G-MPJPE, mm | {model:.1f} | {baseline:.1f} |" in lines
    assert any("the node would publish 100.0 % of these joints" in line for line in lines)
    wrist = metrics["bins"]["by_joint"]["left_wrist"]
    (row,) = [line for line in lines if line.startswith("| left wrist |")]
    assert row.split(" | ")[3] == f"{wrist['g_mpjpe_mm']:.1f}"
    uncertainty = json.loads((report / "metrics.json").read_text())["uncertainty"]
    shares = [f"{100 * uncertainty[source]['coverage']['90%']:.1f}" for source in ("bins", "pixel")]
    assert f"| within the 90 % ellipsoid, % | {shares[0]} | {shares[1]} |" in lines
    assert "| 220 joints answered | bins | pixel |" in lines
    assert "| confidence | joints | within 100 mm, % | mean error, mm | 10-90 %, mm |" in lines
    assert "| handshake | 1 | 1.000 | 1.000 | 1.000 | 1.000 |" in lines
    for picture in PLOTS:
        assert any(picture in line for line in lines)


def test_the_plots_are_not_empty(report: Path) -> None:
    for name in PLOTS:
        picture = cv2.imread(str(report / name))
        assert picture.shape[1] > 800
        assert len(np.unique(picture[..., 0])) > 10


def test_a_report_without_top_k_log_probabilities(tmp_path: Path) -> None:
    entries = [answered(truth(), STANDING)]
    write_report(tmp_path, {**RUN, "evaluated_images": 1}, entries, MeanPose(STANDING, "one person", 1), "bins")
    assert "### Uncertainty" not in (tmp_path / "report.md").read_text()
    assert not (tmp_path / "error_by_confidence.png").exists()
    assert (tmp_path / "error_by_joint.png").exists()


def test_a_report_of_free_commands_only(tmp_path: Path) -> None:
    entries = [free_answer(("head",), ("head",), task="look", phrasing="held_out")]
    write_report(tmp_path, {**RUN, "evaluated_images": 1}, entries, MeanPose(STANDING, "one person", 1), "pixel")
    text = (tmp_path / "report.md").read_text()
    assert "## Named joints" not in text
    assert "| look | 1 |" in text
    assert not (tmp_path / PLOTS[0]).exists()


def test_a_report_of_spoken_commands_has_the_task_table_beside_the_model(tmp_path: Path) -> None:
    entries = [free_answer((), (), phrasing="asking_for_nothing")]
    run = {**RUN, "evaluated_images": 1, "commands": "spoken"}
    write_report(tmp_path, run, entries, MeanPose(STANDING, "one person", 1), "bins")
    text = (tmp_path / "report.md").read_text()
    assert "| asking for nothing | 1 |  |  |  | 1.000 |" in text
    assert "| spoken, by the task table | 60 |" in text

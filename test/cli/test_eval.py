from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from ended_run import Run
from evaluated_people import HEIGHT, STANDING, WIDTH, moved, write_manifest
from required import require

from taihri_ros.evaluation.mean_pose import MeanPose

pytestmark = pytest.mark.usefixtures("_libraries")


@pytest.fixture(scope="module")
def _libraries() -> None:
    for library in ("matplotlib", "skimage"):
        require(importlib.util.find_spec(library), library, "pip install '.[evaluation]'")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    MeanPose(STANDING, "one person", 1).save(tmp_path / "mean.json")
    return write_manifest(tmp_path / "data", [STANDING, moved(0, 0, 0.5)], command="shake my hand")


@pytest.fixture
def photograph(manifest: Path) -> Path:
    """The manifest with a photograph of a person in place of its first grey picture."""
    from skimage.data import astronaut

    cv2.imwrite(str(manifest.with_name("0.png")), cv2.resize(astronaut()[:384, :, ::-1], (WIDTH, HEIGHT)))
    return manifest


def test_a_run_with_an_engine_process_and_a_peer(
    taihri: Callable[..., Run],
    photograph: Path,
    checkpoint: str,
    engine_python: str,
    light_python: str,
    tmp_path: Path,
) -> None:
    """The light engine is the peer; it finds the person in the photograph, and nobody in the grey picture."""
    arguments = ["--data", photograph, "--out", tmp_path / "out", "--mean-pose", tmp_path / "mean.json"]
    arguments += ["--engine", "transformers", "--model", checkpoint, "--engine-python", engine_python]
    arguments += ["--peer", "mediapipe", "--peer-python", light_python]
    arguments += ["--person-crop", "auto", "--person-crop", "true-box"]
    done = taihri("eval", *arguments)
    assert done.status == 0, done.err
    assert "malformed answers: 0 of 4" in done.out
    assert "G-MPJPE" in done.out
    assert "random weights: these points mean nothing" in done.err
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"metrics.json", "report.md", "predictions.jsonl", "error_by_joint.png", "error_by_confidence.png"} <= names
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["named"]["bins"]["joints"] == 44
    assert metrics["run"]["decoding"] == "per_joint"
    assert metrics["uncertainty"]["bins"]["joints"] == 44
    assert "50% / 90% / 95% ellipsoids cover" in done.out
    comparison = metrics["comparison"]
    name = metrics["run"]["name"]
    assert list(comparison["all"]) == [name, f"{name}, person crop true-box", "blazepose", "mean pose"]
    model, peer = comparison["all"][name], comparison["all"]["blazepose"]
    assert model["g_mpjpe_mm"]["value"] == pytest.approx(metrics["named"]["bins"]["g_mpjpe_mm"], abs=0.01)
    assert (model["found"]["count"], peer["found"]["count"], peer["not_found"]) == (2, 1, ["1.png"])
    assert (comparison["pictures"], comparison["shared"]["blazepose"]["pictures"]) == (2, 1)
    cropped = comparison["all"][f"{name}, person crop true-box"]
    assert cropped["difference"]["g_mpjpe_mm"]["value"] != 0.0, "the model is shown another view"
    peer_answers = (tmp_path / "out" / "peer-1-predictions.jsonl").read_text().splitlines()
    assert len(peer_answers) == 1 + 2, "the commands of the pictures are not compared"
    assert "blazepose: G-MPJPE" in done.out


def test_errors_are_one_line(taihri_here: Callable[..., Run], manifest: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{}\n")
    mean = ("--mean-pose", tmp_path / "mean.json")
    for arguments, message in (
        (("--data", manifest), "Missing option '--out'"),
        (("--out", "out"), "Missing option '--data' (or '--nobody')"),
        (("--nobody", "nowhere", "--out", "out"), "there is no directory nowhere with pictures of nobody"),
        (("--nobody", tmp_path / "home", "--out", "out"), "holds no pictures (.jpg, .jpeg, .png)"),
        (("--data", "none", "--out", "out"), "there is no data set 'none'"),
        (("--data", broken, "--out", "out"), "broken.jsonl:1: lacks image"),
        (("--data", manifest, "--out", "out", "--format", "movie"), "'movie' is not one of"),
        (("--data", manifest, "--out", "out", "--joints", "tail"), "not 'tail'"),
        (("--data", manifest, "--out", "out", "--decoding", "aloud"), "'aloud' is not one of"),
        (("--data", manifest, "--out", manifest, *mean), "is a file"),
        (("--data", manifest, "--out", "out", "--mean-pose", broken), "broken.jsonl is not a mean pose"),
        (("--data", manifest, "--out", "out", *mean, "--engine", "openai"), "no model: set engine.model (--model)"),
        (("--data", manifest, "--out", "out", *mean, "--engine", "openai", "--in-process"), "--in-process needs"),
        (("--data", manifest, "--out", "out", *mean, "--model", "x"), "taihri engine install"),
    ):
        taihri_here("eval", *arguments).fails_with(message)
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_the_task_table_alone_is_measured_without_an_engine(taihri_here: Callable[..., Run], tmp_path: Path) -> None:
    done = taihri_here("eval", "--commands", "spoken", "--out", tmp_path / "out")
    assert done.status == 0, done.err
    assert "task table, spoken: exactly right 0." in done.out
    assert "of 60, F1 0." in done.out
    assert "task table, asking for nothing: exactly right" in done.out
    assert json.loads((tmp_path / "out" / "commands.json").read_text())["questions"] == 80


@pytest.mark.handles(
    "People and belief",
    "pictures of a robot's own empty rooms, in taihri eval",
    "the false alarms are counted, by folder",
)
def test_false_alarms_on_own_pictures_and_lost_joints(
    with_shared_engine: Callable[..., str], manifest: Path, checkpoint: str, tmp_path: Path
) -> None:
    """Random weights have no thresholds of their own, so that every picture is a false alarm until one is set."""
    rooms = tmp_path / "rooms"
    for number, folder in enumerate(("kitchen", "kitchen", "hall")):
        (rooms / folder).mkdir(parents=True, exist_ok=True)
        picture = np.full((64, 96, 3), 40 * number, np.uint8)
        cv2.imwrite(str(rooms / folder / f"{number}.png"), picture)
    arguments = ("--nobody", rooms, "--data", manifest, "--out", tmp_path / "out", "--model", checkpoint)
    printed = with_shared_engine("eval", *arguments)
    assert "with any joint published: 100.0 % (43.9 to 100.0) of 3" in printed
    assert {"belief.md", "belief.json", "false_alarms.png"} <= {path.name for path in (tmp_path / "out").iterdir()}
    found = json.loads((tmp_path / "out" / "belief.json").read_text())
    assert {kind: group["of"] for kind, group in found["false_alarms"]["by_kind"].items()} == {"hall": 1, "kitchen": 2}
    assert found["run"]["data"] == str(rooms)
    assert found["lost"]["of"] == 0 or found["lost"]["share"] == 0.0
    assert "| kitchen | 100.0 %" in (tmp_path / "out" / "belief.md").read_text()

    stored = (tmp_path / "out" / "nobody-predictions.jsonl").read_text()
    printed = with_shared_engine("eval", *arguments, "--min-presence", "1")
    assert "min_presence 1" in printed
    assert "with any joint published: 0.0 % (0.0 to 56.1) of 3" in printed
    assert (tmp_path / "out" / "nobody-predictions.jsonl").read_text() == stored, "the answers were used again"

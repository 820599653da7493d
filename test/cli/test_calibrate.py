from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from ended_run import Run
from evaluated_people import STANDING, moved, write_manifest

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.cli import calibrate
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.calibration import Measurements
from taihri_ros.model.quantization import InteractionSpace
from taihri_ros.model.spec import Calibration


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return write_manifest(tmp_path / "data", [moved(0, 0, 0.1 * number) for number in range(6)])


def test_factors_are_written_to_the_checkpoint(
    with_shared_engine: Callable[..., str], manifest: Path, checkpoint: str, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(checkpoint, model)
    before = json.loads((model / "taihri.json").read_text())
    arguments = ("--data", manifest, "--model", model, "--no-belief")
    assert "written" not in with_shared_engine("calibrate", *arguments, "--dry-run")
    assert json.loads((model / "taihri.json").read_text()) == before

    lines = with_shared_engine("calibrate", *arguments).splitlines()
    assert any("6 images" in line for line in lines)
    assert lines[-1] == f"written to {model / 'taihri.json'}"
    after = json.loads((model / "taihri.json").read_text())
    calibration = after.pop("calibration")
    assert after == {name: value for name, value in before.items() if name != "calibration"}
    for source, axes in (("bins", "xyz"), ("pixel", "uvz")):
        (line,) = [line for line in lines if line.startswith(f"{source}  ")]
        factors = [f"{factor:.4g}" for factor in calibration[source]]
        assert line.split() == [source, *(word for pair in zip(axes, factors, strict=True) for word in pair)]
        (shares,) = [line for line in lines if line.startswith(f"{source}, calibrated")]
        assert float(shares.split()[3]) == pytest.approx(90, abs=1)


def test_the_coverage_is_printed_for_full_and_zoomed_views() -> None:
    camera = Camera.ideal(500.0, 640, 480)
    one = np.ones((22, 5))
    far = Measurements(CanonicalView.fit(camera), InteractionSpace(), moved(3.0, 0.0, 0.0), 500.0 * one, one, zoom=2.0)
    bins = np.column_stack([500.0 * one[:, :2], (STANDING - InteractionSpace().low) / InteractionSpace().step])
    near = replace(far, truth=STANDING, bins=bins, zoom=1.0)
    lines = calibrate._summary([near, far, near], Calibration()).splitlines()
    first = lines.index("calibrated, by view:") + 1
    assert lines[first].split() == ["bins,", "2", "full", "100.0", "100.0", "100.0"]
    assert lines[first + 2].split() == ["bins,", "1", "zoomed", "0.0", "0.0", "0.0"]
    assert "by view" not in calibrate._summary([near], Calibration())


def test_errors_are_one_line(taihri_here: Callable[..., Run], manifest: Path, checkpoint: str, tmp_path: Path) -> None:
    broken = tmp_path / "model"
    broken.mkdir()
    (broken / "taihri.json").write_text("{")
    openai = ("--engine", "openai", "--model", "TAIHRI")
    for arguments, message in (
        (("--model", checkpoint), "Missing option '--data'"),
        (("--data", manifest), "--model must be the directory of the checkpoint"),
        (("--data", manifest, "--model", "ai/TAIHRI"), "not 'ai/TAIHRI'"),
        (("--data", manifest, *openai), "taihri.json of a remote model cannot be written"),
        (("--data", manifest, *openai, "--in-process", "--dry-run", "--no-belief"), "--in-process needs"),
        (("--data", manifest, "--model", broken), "is not readable JSON"),
        (("--data", "none", "--model", checkpoint), "there is no data set 'none'"),
        (("--data", manifest, "--model", checkpoint, "--nobody", "nowhere"), "there is no directory nowhere"),
    ):
        taihri_here("calibrate", *arguments).fails_with(message)


def test_a_read_only_checkpoint_is_an_error_before_the_run(
    monkeypatch: pytest.MonkeyPatch, manifest: Path, checkpoint: str
) -> None:
    """The check is mocked, because root can write everywhere."""
    monkeypatch.setattr("taihri_ros.cli.calibrate.os.access", lambda path, mode: False)
    with pytest.raises(TaihriError, match=r"taihri\.json cannot be written: use a copy of the checkpoint"):
        calibrate.command.main(["--data", str(manifest), "--model", checkpoint], standalone_mode=False)


def test_too_few_joints_are_an_error(
    taihri: Callable[..., Run], checkpoint: str, engine_python: str, tmp_path: Path
) -> None:
    manifest = write_manifest(tmp_path, [STANDING])
    arguments = ["--data", manifest, "--engine", "transformers", "--engine-python", engine_python, "--no-belief"]
    before = (Path(checkpoint) / "taihri.json").read_text()
    done = taihri("calibrate", *arguments, "--model", checkpoint)
    assert (done.status, done.out) == (1, "")
    assert done.err.splitlines()[-1].startswith("taihri: 22 labelled joints were answered with top-k log-probabilities")
    assert (Path(checkpoint) / "taihri.json").read_text() == before


def test_the_belief_needs_pictures_enough(
    with_shared_engine: Callable[..., str], manifest: Path, checkpoint: str, tmp_path: Path
) -> None:
    (tmp_path / "rooms").mkdir()
    cv2.imwrite(str(tmp_path / "rooms" / "a.png"), np.zeros((64, 96, 3), np.uint8))
    before = (Path(checkpoint) / "taihri.json").read_text()
    with pytest.raises(TaihriError, match="1 pictures without people: a calibration needs 100 or more"):
        with_shared_engine("calibrate", "--data", manifest, "--model", checkpoint, "--nobody", tmp_path / "rooms")
    assert (Path(checkpoint) / "taihri.json").read_text() == before

"""The whole evaluation in one process, with the transformers engine on the tiny checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from evaluated_people import STANDING, moved, write_manifest

from taihri_ros.cli.eval import command
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.skeleton import JOINTS


@pytest.mark.parametrize("decoding", ["per_joint", "jump_forward"])
def test_a_run_with_free_commands(tmp_path: Path, checkpoint: Path, decoding: str) -> None:
    manifest = write_manifest(tmp_path, [STANDING, moved(0.1, 0, -0.5)])
    mean = tmp_path / "mean.json"
    MeanPose(STANDING, "one person", 1).save(mean)
    arguments = ["--model", str(checkpoint), "--engine", "transformers", "--in-process", "--data", str(manifest)]
    arguments += ["--joints", "left_arm,lower_body", "--commands", "all", "--decoding", decoding]
    arguments += ["--mean-pose", str(mean)]
    arguments += ["--out", str(tmp_path / "out")]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert metrics["run"]["engine"] == "transformers"
    assert metrics["questions"] == 2 * 4
    assert metrics["malformed"] == 0
    assert metrics["joint_selection"]["questions"] == 4
    assert metrics["uncertainty"]["bins"]["joints"] == metrics["uncertainty"]["pixel"]["joints"] > 0
    model = metrics["named"]["bins"]
    assert model["missing"] == 0
    assert set(model["by_part"]) == {"left_arm", "lower_body"}
    records = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()[1:]]
    assert len(records) == 8
    errors = []
    for record in records:
        for name, found in record["joints"].items() if not record["task"] else ():
            truth = (STANDING, moved(0.1, 0, -0.5))[record["index"]][JOINTS.index(name)]
            errors.append(1000 * np.linalg.norm(np.array(found["position_bins"]) - truth))
    assert model["joints"] == len(errors)
    assert model["g_mpjpe_mm"] == pytest.approx(np.mean(errors), abs=0.1)
    assert f"G-MPJPE {model['g_mpjpe_mm']:.1f} mm" in done.output

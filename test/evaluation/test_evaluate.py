from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluated_people import CAMERA, STANDING, moved, truth, write_manifest
from oracle import Oracle

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import joint_command
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.datasets.items import DataError
from taihri_ros.evaluation.datasets.readers import open_data
from taihri_ros.evaluation.evaluate import LabelledAnswer, describe_run, evaluate
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.evaluation.predictions import XY_SOURCES, Prediction, PredictionFile
from taihri_ros.evaluation.question_plan import Plan, Question
from taihri_ros.evaluation.summary import summarize
from taihri_ros.inference.engine import EngineUnavailableError
from taihri_ros.model.spec import Calibration
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.prompt_batch import Decoding
from taihri_ros.skeleton import JOINTS

PLAN = Plan()
STANDS = dict(zip(JOINTS, STANDING, strict=True))


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Three people: at the position of the oracle, 0.1 m behind it and 0.2 m behind it."""
    return write_manifest(tmp_path, [moved(0, 0, 0.1 * number) for number in range(3)])


def run(
    engine: Oracle,
    manifest: Path,
    plan: Plan = PLAN,
    limit: int | None = None,
    decoding: Decoding = "per_joint",
) -> list[LabelledAnswer]:
    data = open_data(str(manifest))
    path = manifest.parent / "predictions.jsonl"
    with PredictionFile(path, describe_run(engine.info, data, plan, decoding)) as stored:
        answers = evaluate(Estimator(engine, decoding=decoding), data, plan, stored, limit=limit)
        return [entry for entries in answers for entry in entries]


def test_metrics_equal_the_known_errors(manifest: Path) -> None:
    metrics = summarize(run(Oracle(STANDS), manifest), MeanPose(STANDING, "", 1))
    for kind in ("bins", "pixel"):
        assert metrics["named"][kind]["g_mpjpe_mm"] == pytest.approx(100, abs=4), "0, 100 and 200 mm, quantised"
        assert metrics["named"][kind]["missing"] == 0
    assert metrics["named"]["bins"]["lateral_mm"] < 5
    assert metrics["named"]["baseline"]["g_mpjpe_mm"] == pytest.approx(100, abs=1e-3)
    assert metrics["malformed"] == 0
    assert metrics["latency_ms"]["named"]["engine"]["p50"] > 0


def test_an_interrupted_run_is_continued(manifest: Path) -> None:
    first = Oracle(STANDS)
    whole = run(first, manifest)
    assert len(first.requests) == 3
    again = Oracle(STANDS)
    repeated = run(again, manifest)
    assert not again.requests
    summary = [summarize(entries, MeanPose(STANDING, "", 1)) for entries in (whole, repeated)]
    for kind in ("bins", "pixel"):
        before, after = (entry["named"][kind]["g_mpjpe_mm"] for entry in summary)
        assert after == pytest.approx(before, abs=0.02)

    path = manifest.parent / "predictions.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:30])
    rest = Oracle(STANDS)
    assert len(run(rest, manifest)) == 3
    assert len(rest.requests) == 2, "one answer was stored, one was truncated"
    assert [json.loads(line).keys() for line in path.read_bytes().splitlines()] == [
        json.loads(line).keys() for line in lines
    ]


def test_a_limited_run_can_be_continued(manifest: Path) -> None:
    assert len(run(Oracle(STANDS), manifest, limit=2)) == 2
    rest = Oracle(STANDS)
    assert len(run(rest, manifest)) == 3
    assert len(rest.requests) == 1, "a larger limit continues a smaller one"


def test_answers_of_another_run_are_refused(manifest: Path) -> None:
    run(Oracle(STANDS), manifest)
    with pytest.raises(TaihriError, match=r"answers of another run \(joints was \['in-image'\], is \['all'\]\)"):
        run(Oracle(STANDS), manifest, Plan(("all",)))
    with pytest.raises(TaihriError, match=r"decoding was 'per_joint', is 'plain'"):
        run(Oracle(STANDS), manifest, decoding="plain")
    calibrated = Oracle(STANDS)
    spec = replace(calibrated.info.spec, calibration=Calibration(bins=(1.5, 1.0, 1.0)))
    calibrated.info = replace(calibrated.info, spec=spec)
    with pytest.raises(TaihriError, match=r"calibration was .*, is .*1\.5"):
        run(calibrated, manifest)


def test_a_negated_command_is_not_put_to_the_model(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, [STANDING], command="do not shake my hand", command_joints=[])
    engine = Oracle(STANDS)
    (entry,) = run(engine, manifest, Plan(("none",)))
    assert not engine.requests
    assert summarize([entry], MeanPose(STANDING, "", 1))["joint_selection"]["exact_share"] == 1


@pytest.mark.parametrize(("decoding", "questions"), [("per_joint", 22), ("jump_forward", 1), ("plain", 1)])
def test_the_decoding_mode_sets_the_number_of_questions(manifest: Path, decoding: Decoding, questions: int) -> None:
    engine = Oracle(STANDS)
    run(engine, manifest, limit=1, decoding=decoding)
    (request,) = engine.requests
    assert len(request.questions) == questions


@pytest.mark.parametrize("line", ["{}", "null", '{"index": 0, "command": "head", "joints": {"head": 3}}', "a"])
def test_a_damaged_file_of_answers_is_an_error_with_its_line(manifest: Path, line: str) -> None:
    run(Oracle(STANDS), manifest)
    path = manifest.parent / "predictions.jsonl"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(TaihriError, match=r"predictions\.jsonl:5 is not an answer"):
        run(Oracle(STANDS), manifest)


def test_a_malformed_answer_is_counted_and_stored(manifest: Path) -> None:
    engine = Oracle(STANDS)
    engine.finish_reason = "length"
    answers = run(engine, manifest)
    metrics = summarize(answers, MeanPose(STANDING, "", 1))
    assert metrics["malformed"] == 3
    assert metrics["named"]["bins"]["missing_share"] == 1
    records = [json.loads(line) for line in (manifest.parent / "predictions.jsonl").read_text().splitlines()[1:]]
    assert all("cut off" in record["malformed"] for record in records)
    assert all(record["answer"].startswith("<|box_start|>") for record in records), "the raw text is stored"
    assert summarize(run(Oracle(STANDS), manifest), MeanPose(STANDING, "", 1))["malformed"] == 3, (
        "also in a continued run"
    )


def test_an_engine_failure_ends_the_run(manifest: Path) -> None:
    engine = Oracle(STANDS)
    run(engine, manifest, limit=1)
    engine.failure = EngineUnavailableError("the GPU is gone")
    with pytest.raises(EngineUnavailableError, match=r"the GPU is gone \(at image 1\.png; the answers .* are stored"):
        run(engine, manifest)


def test_an_image_of_the_wrong_size_is_an_error_with_its_name(manifest: Path) -> None:
    text = manifest.read_text().replace('"width": 320', '"width": 330', 1)
    manifest.write_text(text)
    with pytest.raises(DataError, match=r"image 0\.png: image is 320x240"):
        run(Oracle(STANDS), manifest)


@pytest.mark.parametrize("lens", [[], [-0.28, 0.09, 0.001, -0.0015, -0.012]])
def test_one_answer_gives_both_sources_of_x_and_y(lens: list[float]) -> None:
    model = DistortionModel.PLUMB_BOB if lens else DistortionModel.NONE
    camera = Camera(640, 480, np.array([[520.0, 0, 331.75], [0, 511.0, 228.1], [0, 0, 1]]), np.array(lens), model)
    image, command = np.zeros((480, 640, 3), np.uint8), joint_command(["head", "left_wrist", "spine1"])
    oracle = Oracle(STANDS, spread=(0.1, 0.4, 0.3, 0.15, 0.05))
    exchange = Estimator(oracle).exchange(image, camera, command)
    prediction = Prediction.from_exchange(exchange)
    assert prediction.answer == exchange.raw
    for kind in XY_SOURCES:
        single = Estimator(oracle, xy_source=kind).estimate(image, camera, command)
        plain = exchange.decoder.person(kind, sub_bin=False)
        for keypoint, bare in zip(single.person.keypoints, plain.keypoints, strict=True):
            found = prediction.joints[keypoint.name]
            assert found.positions[kind] == pytest.approx(keypoint.position)
            assert found.covariances[kind] == pytest.approx(keypoint.covariance)
            assert found.confidences[kind] == pytest.approx(keypoint.confidence)
            assert found.pixel == pytest.approx(keypoint.pixel)
            assert found.argmax[kind] == pytest.approx(bare.position)
            assert np.linalg.norm(found.argmax[kind] - found.positions[kind]) > 1e-3


def test_a_stored_prediction_is_read_unchanged(tmp_path: Path) -> None:
    class Partly(Oracle):
        def generate(self, request: Any) -> Any:
            self.joints = {name: point for name, point in STANDS.items() if name != "neck"}
            return super().generate(request)

    exchange = Estimator(Partly(STANDS)).exchange(
        np.zeros((240, 320, 3), np.uint8), CAMERA, joint_command(["head", "neck"])
    )
    prediction = Prediction.from_exchange(exchange)
    assert set(prediction.joints) == {"head"}, "an unanswered joint was not selected"
    question = Question(7, truth().source, joint_command(["head", "neck"]))
    with PredictionFile(tmp_path / "p.jsonl", {"model": "x"}) as stored:
        assert stored.get(question) is None
        stored.add(question, prediction)
    with PredictionFile(tmp_path / "p.jsonl", {"model": "x"}) as stored:
        again = stored.get(question)
    assert again is not None
    assert again.answer == prediction.answer
    assert again.stages_ms == pytest.approx(prediction.stages_ms, abs=1e-3)
    before, after = prediction.joints["head"], again.joints["head"]
    assert after.state == "MEASURED"
    for kind in XY_SOURCES:
        assert after.positions[kind] == pytest.approx(before.positions[kind], abs=1e-4)
        assert after.argmax[kind] == pytest.approx(before.argmax[kind], abs=1e-4)
        assert after.covariances[kind] == pytest.approx(before.covariances[kind], rel=1e-6, abs=1e-15)
        assert after.confidences[kind] == pytest.approx(before.confidences[kind], abs=1e-5)


def test_stored_unknown_values_are_read_unchanged(tmp_path: Path) -> None:
    exchange = Estimator(Oracle(STANDS, spread=None)).exchange(
        np.zeros((240, 320, 3), np.uint8), CAMERA, joint_command(["head"])
    )
    question = Question(7, truth().source, joint_command(["head"]))
    with PredictionFile(tmp_path / "p.jsonl", {"model": "x"}) as stored:
        stored.add(question, Prediction.from_exchange(exchange))
    with PredictionFile(tmp_path / "p.jsonl", {"model": "x"}) as stored:
        again = stored.get(question)
    assert again is not None
    found = again.joints["head"]
    for kind in XY_SOURCES:
        assert np.isfinite(found.positions[kind]).all()
        assert np.isnan(found.covariances[kind]).all()
        assert np.isnan(found.confidences[kind])

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
from taihri_ros.evaluation.evaluate import Answered, describe_run, evaluate
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
    """Three people: one who stands where the oracle says, one 0.1 m behind, one 0.2 m behind."""
    return write_manifest(tmp_path, [moved(0, 0, 0.1 * number) for number in range(3)])


def run(
    engine: Oracle,
    manifest: Path,
    plan: Plan = PLAN,
    limit: int | None = None,
    decoding: Decoding = "per_joint",
) -> list[Answered]:
    data = open_data(str(manifest))
    path = manifest.parent / "predictions.jsonl"
    with PredictionFile(path, describe_run(engine.info, data, plan, decoding)) as kept:
        answers = evaluate(Estimator(engine, decoding=decoding), data, plan, kept, limit=limit)
        return [entry for entries in answers for entry in entries]


def test_errors_are_those_that_were_made(manifest: Path) -> None:
    figures = summarize(run(Oracle(STANDS), manifest), MeanPose(STANDING, "", 1))
    for kind in ("bins", "pixel"):
        assert figures["named"][kind]["g_mpjpe_mm"] == pytest.approx(100, abs=4), "0, 100 and 200 mm, quantised"
        assert figures["named"][kind]["missing"] == 0
    assert figures["named"]["bins"]["lateral_mm"] < 5
    assert figures["named"]["baseline"]["g_mpjpe_mm"] == pytest.approx(100, abs=1e-3)
    assert figures["malformed"] == 0
    assert figures["latency_ms"]["named"]["engine"]["p50"] > 0


def test_a_run_goes_on_where_it_stopped(manifest: Path) -> None:
    first = Oracle(STANDS)
    whole = run(first, manifest)
    assert len(first.requests) == 3
    again = Oracle(STANDS)
    repeated = run(again, manifest)
    assert again.requests == []
    summary = [summarize(entries, MeanPose(STANDING, "", 1)) for entries in (whole, repeated)]
    for kind in ("bins", "pixel"):
        before, after = (entry["named"][kind]["g_mpjpe_mm"] for entry in summary)
        assert after == pytest.approx(before, abs=0.02)

    path = manifest.parent / "predictions.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:30])
    rest = Oracle(STANDS)
    assert len(run(rest, manifest)) == 3
    assert len(rest.requests) == 2, "one was there, one was cut off"
    assert [json.loads(line).keys() for line in path.read_bytes().splitlines()] == [
        json.loads(line).keys() for line in lines
    ]


def test_a_limit(manifest: Path) -> None:
    assert len(run(Oracle(STANDS), manifest, limit=2)) == 2
    rest = Oracle(STANDS)
    assert len(run(rest, manifest)) == 3
    assert len(rest.requests) == 1, "a larger limit goes on from a smaller one"


def test_answers_of_another_run_are_not_mixed_in(manifest: Path) -> None:
    run(Oracle(STANDS), manifest)
    with pytest.raises(TaihriError, match=r"answers of another run \(joints was \['in-image'\], is \['all'\]\)"):
        run(Oracle(STANDS), manifest, Plan(("all",)))
    with pytest.raises(TaihriError, match=r"decoding was 'side_by_side', is 'plain'"):
        run(Oracle(STANDS), manifest, decoding="plain")
    calibrated = Oracle(STANDS)
    spec = replace(calibrated.info.spec, calibration=Calibration(bins=(1.5, 1.0, 1.0)))
    calibrated.info = replace(calibrated.info, spec=spec)
    with pytest.raises(TaihriError, match=r"calibration was .*, is .*1\.5"):
        run(calibrated, manifest)


@pytest.mark.parametrize(("decoding", "questions"), [("per_joint", 22), ("jump_forward", 1), ("plain", 1)])
def test_the_model_is_asked_as_told(manifest: Path, decoding: Decoding, questions: int) -> None:
    engine = Oracle(STANDS)
    run(engine, manifest, limit=1, decoding=decoding)
    (request,) = engine.requests
    assert len(request.questions) == questions


@pytest.mark.parametrize("line", ["{}", "null", '{"index": 0, "command": "head", "joints": {"head": 3}}', "a"])
def test_a_broken_file_of_answers_is_named(manifest: Path, line: str) -> None:
    run(Oracle(STANDS), manifest)
    path = manifest.parent / "predictions.jsonl"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(TaihriError, match=r"predictions\.jsonl:5 is not an answer"):
        run(Oracle(STANDS), manifest)


def test_a_malformed_answer_is_counted_and_kept(manifest: Path) -> None:
    engine = Oracle(STANDS)
    engine.finish_reason = "length"
    answers = run(engine, manifest)
    figures = summarize(answers, MeanPose(STANDING, "", 1))
    assert figures["malformed"] == 3
    assert figures["named"]["bins"]["missing_share"] == 1
    records = [json.loads(line) for line in (manifest.parent / "predictions.jsonl").read_text().splitlines()[1:]]
    assert all("cut off" in record["malformed"] for record in records)
    assert all(record["answer"].startswith("<|box_start|>") for record in records), "the raw text is kept"
    assert summarize(run(Oracle(STANDS), manifest), MeanPose(STANDING, "", 1))["malformed"] == 3, "also when it goes on"


def test_an_engine_that_fails_ends_the_run(manifest: Path) -> None:
    engine = Oracle(STANDS)
    run(engine, manifest, limit=1)
    engine.failure = EngineUnavailableError("the GPU is gone")
    with pytest.raises(EngineUnavailableError, match=r"the GPU is gone \(at image 1\.png; the answers so far are kept"):
        run(engine, manifest)


def test_an_image_of_another_size_is_named(manifest: Path) -> None:
    text = manifest.read_text().replace('"width": 320', '"width": 330', 1)
    manifest.write_text(text)
    with pytest.raises(DataError, match=r"image 0\.png: image is 320x240"):
        run(Oracle(STANDS), manifest)


@pytest.mark.parametrize("lens", [[], [-0.28, 0.09, 0.001, -0.0015, -0.012]])
def test_both_sources_of_x_and_y_come_from_one_answer(lens: list[float]) -> None:
    model = DistortionModel.PLUMB_BOB if lens else DistortionModel.NONE
    camera = Camera(640, 480, np.array([[520.0, 0, 331.75], [0, 511.0, 228.1], [0, 0, 1]]), np.array(lens), model)
    image, command = np.zeros((480, 640, 3), np.uint8), joint_command(["head", "left_wrist", "spine1"])
    oracle = Oracle(STANDS, spread=(0.1, 0.4, 0.3, 0.15, 0.05))
    exchange = Estimator(oracle).exchange(image, camera, command)
    prediction = Prediction.of(exchange)
    assert prediction.answer == exchange.raw
    for kind in XY_SOURCES:
        alone = Estimator(oracle, xy_source=kind).estimate(image, camera, command)
        plain = exchange.decoder.person(kind, sub_bin=False)
        for keypoint, bare in zip(alone.person.keypoints, plain.keypoints, strict=True):
            found = prediction.joints[keypoint.name]
            assert found.positions[kind] == pytest.approx(keypoint.position)
            assert found.covariances[kind] == pytest.approx(keypoint.covariance)
            assert found.confidences[kind] == pytest.approx(keypoint.confidence)
            assert found.pixel == pytest.approx(keypoint.pixel)
            assert found.argmax[kind] == pytest.approx(bare.position)
            assert np.linalg.norm(found.argmax[kind] - found.positions[kind]) > 1e-3


def test_a_prediction_is_the_same_after_the_file(tmp_path: Path) -> None:
    class Partly(Oracle):
        def generate(self, request: Any) -> Any:
            self.joints = {name: point for name, point in STANDS.items() if name != "neck"}
            return super().generate(request)

    exchange = Estimator(Partly(STANDS)).exchange(
        np.zeros((240, 320, 3), np.uint8), CAMERA, joint_command(["head", "neck"])
    )
    prediction = Prediction.of(exchange)
    assert set(prediction.joints) == {"head"}, "what was not answered was not chosen"
    question = Question(7, truth().source, joint_command(["head", "neck"]))
    with PredictionFile(tmp_path / "p.jsonl", {"model": "x"}) as kept:
        assert kept.get(question) is None
        kept.add(question, prediction)
    with PredictionFile(tmp_path / "p.jsonl", {"model": "x"}) as kept:
        again = kept.get(question)
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


def test_what_is_not_known_is_the_same_after_the_file(tmp_path: Path) -> None:
    exchange = Estimator(Oracle(STANDS, spread=None)).exchange(
        np.zeros((240, 320, 3), np.uint8), CAMERA, joint_command(["head"])
    )
    question = Question(7, truth().source, joint_command(["head"]))
    with PredictionFile(tmp_path / "p.jsonl", {"model": "x"}) as kept:
        kept.add(question, Prediction.of(exchange))
    with PredictionFile(tmp_path / "p.jsonl", {"model": "x"}) as kept:
        again = kept.get(question)
    assert again is not None
    found = again.joints["head"]
    for kind in XY_SOURCES:
        assert np.isfinite(found.positions[kind]).all()
        assert np.isnan(found.covariances[kind]).all()
        assert np.isnan(found.confidences[kind])

"""The scheduler drops, counts and logs frames that cannot be answered, and continues."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scheduler_bench import INFO, LEFT, Bench, eventually, invalid_image

from taihri_ros.camera.camera_info import CameraError
from taihri_ros.inference.engine import (
    EngineUnavailableError,
    GenerationFailedError,
)
from taihri_ros.pipeline.frames import Result


def test_frames_without_camera_info_are_dropped_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(camera=False)
    bench.scheduler.set_command(LEFT)
    bench.scheduler.start()
    for _ in range(3):
        bench.submit()
    bench.settled(no_camera_info=3)
    bench.scheduler.stop()
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["images arrive, but no camera_info: publish it or remap the topic camera_info"]


def test_a_valid_camera_info_replaces_an_invalid_one(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.scheduler.calibrations.add(replace(INFO, k=[0.0] * 9))
    bench.submit()
    bench.settled(bad_camera_info=1)
    eventually(lambda: "not calibrated" in caplog.text)
    bench.scheduler.calibrations.add(replace(INFO, width=640, height=480))
    bench.submit()
    bench.settled(bad_camera_info=2)
    bench.scheduler.calibrations.add(INFO)
    bench.submit()
    bench.wait_published()
    bench.settled(bad_camera_info=2)


def test_an_invalid_camera_info_does_not_accumulate_tracebacks(bench: Bench) -> None:
    bench.scheduler.calibrations.add(replace(INFO, k=[0.0] * 9))
    depths = set()
    for _ in range(3):
        with pytest.raises(CameraError, match="not calibrated") as error:
            bench.scheduler.calibrations.camera(1, "camera", 64, 48)
        depths.add(_traceback_depth(error.value))
    assert len(depths) == 1


def _traceback_depth(error: BaseException) -> int:
    trace, depth = error.__traceback__, 0
    while trace is not None:
        trace, depth = trace.tb_next, depth + 1
    return depth


def test_an_invalid_image_is_dropped(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.submit(invalid_image)
    bench.settled(bad_image=1)
    eventually(lambda: "the image is cut off" in caplog.text)
    bench.submit(lambda: np.zeros((48, 64), np.uint8))  # type: ignore[return-value]
    bench.settled(bad_image=1, bad_camera_info=1)
    bench.submit()
    bench.wait_published()


def test_an_engine_may_fail_and_recover(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.engine.failure = EngineUnavailableError("the engine is starting")
    bench.submit()
    bench.settled(engine_unavailable=1)
    eventually(lambda: "the engine is starting" in caplog.text)
    bench.engine.failure = GenerationFailedError("out of memory")
    bench.submit()
    bench.settled(engine_unavailable=1, engine_error=1)
    bench.engine.failure = None
    bench.submit()
    bench.wait_published()
    bench.settled(engine_unavailable=1, engine_error=1)


def test_an_internal_error_is_logged_with_traceback_and_processing_continues(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.engine.failure = ZeroDivisionError("a bug")
    bench.submit()
    bench.settled(internal_error=1)
    eventually(lambda: "ZeroDivisionError: a bug" in caplog.text)
    bench.engine.failure = None
    bench.submit()
    bench.wait_published()


def test_a_malformed_answer_is_dropped_and_its_text_is_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.engine.answer = ("<|kpt2d_start|>", "<|left_wrist|>", "<5>", "\n", "sorry")
    bench.submit()
    bench.settled(malformed_answer=1)
    eventually(lambda: repr("<|kpt2d_start|><|left_wrist|><5>\nsorry") in caplog.text)
    assert not bench.results


def test_a_failing_publisher_is_counted_and_processing_continues(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(result: Result) -> None:
        raise RuntimeError("no disk")

    bench.on_publish = fail
    bench.submit()
    bench.settled(not_published=1)
    assert "no disk" in caplog.text, "it is logged before it is counted"
    bench.on_publish = lambda result: None
    bench.submit()
    bench.wait_published()
    assert bench.settled(not_published=1).published == 1

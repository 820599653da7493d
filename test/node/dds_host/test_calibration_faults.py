"""CameraInfo messages with every kind of fault: nothing is published, and log and diagnostics say what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from camera_messages import FRAME_ID, HEIGHT, WIDTH, camera_info, image
from dds_peer import wait_until
from quick_host import running_host
from reliability import Figure

from taihri_ros.errors import TaihriError
from taihri_ros.node.diagnostics import SchedulerTask


def k(fx: float = 100.0, fy: float = 100.0, cx: float = 48.0, cy: float = 32.0, last: float = 1.0) -> np.ndarray:
    return np.array([fx, 0, cx, 0, fy, cy, 0, 0, last])


def roi(**changes: int) -> Any:
    region = camera_info(1).roi
    for name, value in changes.items():
        setattr(region, name, value)
    return region


FAULTS: dict[str, dict[str, Any]] = {
    "K of zeros": {"k": np.zeros(9), "p": np.zeros(12)},
    "K of zeros, P filled": {"k": np.zeros(9)},
    "NaN in K": {"k": k(fx=np.nan)},
    "infinity in K": {"k": k(cx=np.inf)},
    "NaN in D": {"d": np.full(5, np.nan)},
    "infinity in D": {"d": np.array([np.inf, 0, 0, 0, 0])},
    "huge coefficients": {"d": np.full(5, 1e300)},
    "a lens that folds the image": {"d": np.array([-5.0, 9.0, 0, 0, 0])},
    "negative focal length": {"k": k(fx=-100.0)},
    "no fy": {"k": k(fy=0.0)},
    "focal length in millimetres": {"k": k(fx=0.0036, fy=0.0036)},
    "focal length of a telescope": {"k": k(fx=1e9, fy=1e9)},
    "unequal focal lengths": {"k": k(fx=100.0, fy=1000.0)},
    "principal point far outside": {"k": k(cx=5000.0)},
    "last element of K": {"k": k(last=0.0)},
    "width of zero": {"width": 0},
    "height of zero": {"height": 0},
    "size of zero": {"width": 0, "height": 0},
    "another width": {"width": 192},
    "another height": {"height": 32},
    "another size": {"width": 640, "height": 480},
    "unknown lens model": {"distortion_model": "fishbowl"},
    "too few coefficients": {"d": np.full(3, 0.01)},
    "too many coefficients": {"d": np.full(200, 0.01)},
    "coefficients of another model": {"distortion_model": "equidistant", "d": np.full(5, 0.01)},
    "binning larger than the image": {"binning_x": 97},
    "ROI beyond the image": {"roi": roi(x_offset=90, y_offset=0, width=96, height=64)},
    "frame_id of another camera": {"frame_id": "another_camera"},
}


@pytest.mark.fault(
    "CameraInfo faults", "28 kinds, each in the place of the only CameraInfo", "no output, and what to do is said"
)
def test_a_faulty_camera_info_gives_no_output_and_a_reason(figure: Figure, caplog: pytest.LogCaptureFixture) -> None:
    assert len(FAULTS) == 28
    advice: set[str] = set()
    with running_host() as (host, _):
        application, counters = host.application, host.application.scheduler.counters
        task = SchedulerTask(application.scheduler)
        for number, (name, changes) in enumerate(FAULTS.items()):
            stamp = 10**9 * (2 * number + 2)
            fields = dict(changes)
            frame_id = fields.pop("frame_id", FRAME_ID)
            info = camera_info(stamp, **fields)
            info.header.frame_id = frame_id
            application.on_camera_info(info)
            before = counters.snapshot()
            application.on_image(image(stamp))
            wait_until(lambda: counters.snapshot().pending == 0)
            after = counters.snapshot()
            assert after.published == before.published, name
            report = task.report()
            assert report.level > 0, name
            assert "frames dropped: bad_camera_info 1" in report.message, (name, report.message)
            with pytest.raises(TaihriError) as refused:
                application.scheduler.calibrations.camera(stamp, FRAME_ID, WIDTH, HEIGHT)
            advice.add(str(refused.value))
            application.on_camera_info(camera_info(stamp + 10**9))
            application.on_image(image(stamp + 10**9))
            wait_until(lambda before=before: counters.snapshot().published > before.published)  # type: ignore[misc]
    assert caplog.records
    figure(f"{len(FAULTS)} kinds: no output, {len(advice)} different lines of advice; the next good one is used")

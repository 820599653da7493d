"""Each image is answered with the calibration that belongs to its stamp, frame and size."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from scheduler_bench import INFO, LEFT, Bench

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError, InfoFields
from taihri_ros.pipeline import calibrations as module
from taihri_ros.pipeline.calibrations import Calibrations, NoCameraInfoError
from taihri_ros.pipeline.frames import Frame

FRAME = "camera"
VGA = (640, 480)
HD = (1280, 720)


def info(focal: float = 500.0, size: tuple[int, int] = VGA) -> InfoFields:
    width, height = size
    return replace(INFO, width=width, height=height, k=[focal, 0, width / 2, 0, focal, height / 2, 0, 0, 1])


def filled(*received: tuple[int, InfoFields]) -> Calibrations:
    """Return a store that has received CameraInfos with these stamps."""
    calibrations = Calibrations()
    for stamp, each in received:
        calibrations.add(each, stamp, FRAME)
    return calibrations


def focal(calibrations: Calibrations, stamp: int, size: tuple[int, int] = VGA) -> float:
    """Return the focal length of the camera of an image."""
    return float(calibrations.camera(stamp, FRAME, *size).K[0, 0])


@pytest.mark.handles("Calibration", "camera_info that changes with every image (zoom lens)", "each image uses its own")
def test_an_image_uses_the_calibration_with_its_own_stamp() -> None:
    zooming = filled(*((stamp, info(100.0 + stamp)) for stamp in range(1, 60)))
    assert [focal(zooming, stamp) for stamp in (1, 30, 59)] == [101.0, 130.0, 159.0]


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        pytest.param(15, 510.0, id="between two"),
        pytest.param(25, 520.0, id="after the last"),
        pytest.param(5, 510.0, id="before the first"),
        pytest.param(-5, 510.0, id="before 1970"),
        pytest.param(0, 520.0, id="without a stamp"),
    ],
)
@pytest.mark.handles(
    "Calibration", "camera_info at a lower rate than the images", "the one in force at the image's stamp is used"
)
def test_an_image_without_a_calibration_of_its_stamp_uses_the_one_in_force(stamp: int, expected: float) -> None:
    assert focal(filled((10, info(510.0)), (20, info(520.0))), stamp) == expected


def test_the_order_of_arrival_does_not_matter() -> None:
    late = filled((20, info(520.0)), (10, info(510.0)))
    assert [focal(late, stamp) for stamp in (10, 15, 20, 25)] == [510.0, 510.0, 520.0, 520.0]


@pytest.mark.handles("Calibration", "camera_info published once", "it is used for all images")
def test_a_calibration_that_is_published_once_stays_in_force() -> None:
    assert focal(filled((1, info(510.0))), 10**18) == 510.0


@pytest.mark.handles("Calibration", "camera_info without a stamp (0)", "it is in force from its arrival on")
def test_a_calibration_without_a_stamp_is_in_force_from_its_arrival_on() -> None:
    calibrations = filled((0, info(510.0)))
    calibrations.note_image(100)
    calibrations.add(info(520.0), 0, FRAME)
    assert [focal(calibrations, stamp) for stamp in (90, 100, 101, 10**18)] == [510.0, 510.0, 520.0, 520.0]


def test_a_calibration_without_a_stamp_replaces_one_with_a_stamp() -> None:
    calibrations = filled((100, info(510.0)), (0, info(520.0)))
    assert [focal(calibrations, stamp) for stamp in (100, 102)] == [510.0, 520.0]
    calibrations.add(info(530.0), 200, FRAME)
    assert [focal(calibrations, stamp) for stamp in (150, 200)] == [520.0, 530.0]


def test_stamps_that_start_anew_are_followed() -> None:
    """A bag that is played in a loop, or a simulation that is reset."""
    calibrations = filled((1000, info(510.0)))
    calibrations.note_image(1000)
    calibrations.note_image(10)
    calibrations.add(info(520.0), 0, FRAME)
    assert focal(calibrations, 20) == 520.0


@pytest.mark.handles("Calibration", "the camera changes its resolution", "each image uses the one of its own size")
def test_images_before_and_after_a_change_of_resolution_use_their_own_calibration() -> None:
    switched = filled((10, info(510.0, VGA)), (20, info(900.0, HD)))
    assert focal(switched, 19, VGA) == 510.0
    assert focal(switched, 21, HD) == 900.0


def test_an_image_that_overtakes_its_calibration_uses_the_next_one_of_its_size() -> None:
    assert focal(filled((10, info(510.0, VGA)), (20, info(900.0, HD))), 19, HD) == 900.0


@pytest.mark.handles(
    "Calibration",
    "image of another size than the camera_info in force, though an older one has its size",
    "refused: image and camera_info have different sizes",
)
def test_an_older_calibration_of_the_right_size_is_not_used_in_place_of_the_one_in_force() -> None:
    switched = filled((10, info(510.0, VGA)), (20, info(900.0, HD)))
    with pytest.raises(CameraError, match="image is 640x480 but camera_info describes 1280x720"):
        switched.camera(21, FRAME, *VGA)


def test_two_calibrations_with_one_stamp_are_told_apart_by_size_and_frame() -> None:
    calibrations = filled((10, info(510.0, VGA)), (10, info(900.0, HD)))
    calibrations.add(info(530.0, VGA), 10, "other_camera")
    assert (focal(calibrations, 10, VGA), focal(calibrations, 10, HD)) == (510.0, 900.0)
    assert calibrations.camera(10, "other_camera", *VGA).K[0, 0] == 530.0


def test_an_invalid_calibration_refuses_the_images_of_its_time_only() -> None:
    calibrations = filled((10, info(510.0)), (20, replace(info(), k=[np.nan] * 9)), (30, info(530.0)))
    assert [focal(calibrations, stamp) for stamp in (19, 31)] == [510.0, 530.0]
    with pytest.raises(CameraError, match="NaN"):
        calibrations.camera(25, FRAME, *VGA)


@pytest.mark.parametrize("names", [("camera", "camera"), ("/camera", "camera"), ("", "camera"), ("camera", "")])
def test_equal_and_unknown_frame_ids_are_accepted(names: tuple[str, str]) -> None:
    calibrations = Calibrations()
    calibrations.add(info(510.0), 1, names[0])
    assert calibrations.camera(1, names[1], *VGA).K[0, 0] == 510.0


@pytest.mark.handles(
    "Calibration", "camera_info with another frame_id than the image", "refused, unless camera_info_frame is any"
)
def test_a_calibration_of_another_frame_is_refused() -> None:
    calibrations = Calibrations()
    calibrations.add(info(510.0), 1, "depth_optical_frame")
    with pytest.raises(CameraError, match=r"'depth_optical_frame', but the image has 'camera': remap camera_info"):
        calibrations.camera(1, "camera", *VGA)
    careless = Calibrations(any_frame=True)
    careless.add(info(510.0), 1, "camera_link")
    assert careless.camera(1, "camera", *VGA).K[0, 0] == 510.0


def test_without_a_calibration_every_image_is_refused() -> None:
    for check in (Calibrations().check_known, lambda: Calibrations().camera(1, FRAME, *VGA)):
        with pytest.raises(NoCameraInfoError, match="publish it or remap the topic camera_info"):
            check()


def test_a_calibration_that_does_not_change_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[object] = []
    compute = Camera.from_info
    monkeypatch.setattr(
        module.Camera, "from_info", lambda *args, **options: (computed.append(args), compute(*args, **options))[1]
    )
    calibrations = Calibrations()
    for stamp in range(1, 500):
        calibrations.add(info(510.0), stamp, FRAME)
        assert focal(calibrations, stamp) == 510.0
    assert len(computed) == 1
    for stamp in range(500, 520):  # two cameras on one topic
        calibrations.add(info(520.0 if stamp % 2 else 510.0), stamp, FRAME)
        assert focal(calibrations, stamp) == (520.0 if stamp % 2 else 510.0)
    assert len(computed) == 2


def test_a_store_does_not_grow_with_a_calibration_that_changes() -> None:
    calibrations = filled(*((stamp, info(100.0 + stamp)) for stamp in range(1, 1000)))
    assert len(calibrations._known) == module._KEPT
    assert focal(calibrations, 999) == 1099.0


def test_an_image_waits_for_its_calibration_only_while_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAIT_S", 10.0)
    zooming = filled((1, info(501.0)), (2, info(502.0)))
    found: list[float] = []
    image = threading.Thread(target=lambda: found.append(focal(zooming, 3)))
    image.start()
    time.sleep(0.02)
    zooming.add(info(503.0), 3, FRAME)
    image.join(5.0)
    assert found == [503.0]
    monkeypatch.setattr(module, "_WAIT_S", 1e6)  # from here on, a wait would hang
    zooming.add(info(503.0), 4, FRAME)
    assert focal(zooming, 5) == 503.0, "the calibration no longer changes"
    assert focal(filled((1, info(501.0))), 5) == 501.0, "there is only one"
    switched = filled((1, info(501.0)), (2, info(502.0)))
    for each in switched._known:
        each.arrived -= 1.0
    assert focal(switched, 5) == 502.0, "it changed long ago"


def test_the_scheduler_answers_each_frame_with_its_own_calibration(bench: Bench) -> None:
    for stamp in (1, 2):
        k = [400.0 + stamp, 0, 31.5, 0, 400.0, 23.5, 0, 0, 1]
        bench.scheduler.calibrations.add(replace(INFO, k=k), stamp, "camera")
    for _ in range(2):
        bench.submit()
        bench.wait_published()
    assert [result.camera.K[0, 0] for result in bench.results if result.camera] == [401.0, 402.0]


def test_the_scheduler_refuses_a_frame_of_another_camera(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(camera=False)
    bench.scheduler.set_command(LEFT)
    bench.scheduler.start()
    bench.scheduler.calibrations.add(INFO, 1, "depth_camera")
    bench.submit()
    bench.settled(bad_camera_info=1)
    bench.scheduler.stop()
    assert "'depth_camera', but the image has 'camera'" in caplog.text


def test_the_size_of_a_compressed_image_is_checked_before_it_is_decoded() -> None:
    """A decoder learns the size from the header, and checks it before it allocates the pixels."""
    bench = Bench()
    allocated: list[int] = []

    def decode(check: object) -> np.ndarray:
        check(16384, 16384)  # type: ignore[operator]
        allocated.append(1)
        return np.zeros((48, 64, 3), np.uint8)

    bench.scheduler.set_command(LEFT)
    bench.scheduler.start()
    bench.submitted += 1
    bench.scheduler.submit(Frame(1, "camera", decode))
    bench.settled(bad_camera_info=1)
    bench.scheduler.stop()
    assert not allocated


@pytest.mark.handles("Calibration", "camera_info with megabytes of coefficients or text", "refused, and not kept")
@pytest.mark.parametrize("change", [{"d": np.ones(1 << 20)}, {"distortion_model": "x" * (1 << 20)}])
def test_a_huge_calibration_is_refused_and_takes_no_memory(change: dict[str, object]) -> None:
    calibrations = filled((1, replace(info(), **change)))  # type: ignore[arg-type]
    with pytest.raises(CameraError, match="camera_info"):
        calibrations.camera(1, FRAME, *VGA)
    (kept,) = calibrations._known
    assert np.size(kept.info.d) + len(kept.info.distortion_model) + len(str(kept.content)) < 20_000

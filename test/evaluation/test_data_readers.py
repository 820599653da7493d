"""Small data sets in the documented layouts."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from evaluated_people import HEIGHT, STANDING, WIDTH, K, moved, write_manifest

from taihri_ros.evaluation.datasets.items import DataError, Truth, Visibility
from taihri_ros.evaluation.datasets.pickles import read_archive
from taihri_ros.evaluation.datasets.readers import open_data
from taihri_ros.skeleton import INDEX

HEAD = INDEX["head"]
FOCAL = np.array([200.0, 210.0])
CENTRE = np.array([155.0, 118.0])


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    """Two images below the root of a data set."""
    paths = ["take/ego/00001.jpg", "take/ego/00002.jpg"]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / path), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    return paths


def truths(text: str, **options: Any) -> list[Truth]:
    data = open_data(text, **options)
    items = list(data.items())
    assert len(items) == data.length
    for item in items:
        assert item.image().shape == (item.truth.camera.height, item.truth.camera.width, 3)
    return [item.truth for item in items]


def test_a_manifest(tmp_path: Path) -> None:
    far = moved(0, 0, 1)
    path = write_manifest(tmp_path, [STANDING, far], command="shake my hand", command_joints=["right_wrist", "head"])
    first, second = truths(str(path))
    assert first.source == "0.png"
    assert first.camera.K.ravel() == pytest.approx(K)
    assert first.joints == pytest.approx(STANDING)
    assert second.joints == pytest.approx(far)
    assert first.pixels == pytest.approx(first.camera.project(STANDING))
    assert first.command == "shake my hand"
    assert first.command_joints == ("head", "right_wrist")
    assert first.visibility[HEAD] == Visibility.UNKNOWN
    assert second.in_image.all()


def test_what_a_manifest_leaves_out_is_not_labelled(tmp_path: Path) -> None:
    line = {"image": "0.png", "camera_info": None, "joints": {"head": [0, 0, 2], "neck": None, "left_wrist": [9, 0, 2]}}
    line["camera_info"] = json.loads(write_manifest(tmp_path, [STANDING]).read_text())["camera_info"]
    (tmp_path / "m.jsonl").write_text("\n" + json.dumps(line) + "\n\n")
    (only,) = truths(str(tmp_path / "m.jsonl"))
    assert np.flatnonzero(only.labelled).tolist() == [HEAD, INDEX["left_wrist"]]
    assert np.flatnonzero(only.in_image).tolist() == [HEAD]
    assert only.command == ""
    assert only.command_joints is None


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("{", r"m\.jsonl:2: not JSON"),
        ("[1]", r"m\.jsonl:2: must be a JSON object"),
        ({"image": None}, r"m\.jsonl:2: lacks image"),
        ({"image": 3}, r"m\.jsonl:2: image and command must be text"),
        ({"joints": [1]}, r"m\.jsonl:2: joints must be an object"),
        ({"joints": {"tail": [0, 0, 1]}}, r"m\.jsonl:2: 'tail' is not a joint"),
        ({"joints": {"head": [0, 1]}}, r"m\.jsonl:2: head must be three finite numbers"),
        ({"joints": {"head": [0, 1, "2"]}}, r"m\.jsonl:2: head must be three finite numbers"),
        ({"joints": {"head": [0, 1, float("nan")]}}, r"m\.jsonl:2: head must be three finite numbers"),
        ({"camera_info": {"width": 3}}, r"m\.jsonl:2: camera file lacks height"),
        ({"command_joints": ["tail"]}, r"m\.jsonl:2: 'tail' is not a joint"),
    ],
)
def test_a_damaged_manifest_is_an_error_with_the_line(tmp_path: Path, broken: Any, message: str) -> None:
    good = write_manifest(tmp_path, [STANDING]).read_text()
    if isinstance(broken, dict):
        entry = {name: value for name, value in (json.loads(good) | broken).items() if value is not None}
        broken = json.dumps(entry)
    (tmp_path / "m.jsonl").write_text(good + broken + "\n")
    with pytest.raises(DataError, match=message):
        open_data(str(tmp_path / "m.jsonl"))


def test_an_empty_manifest_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text("\n")
    with pytest.raises(DataError, match="is empty"):
        open_data(str(tmp_path / "m.jsonl"))


def test_spec(tmp_path: Path, images: list[str]) -> None:
    """HumanData as distributed: 190 joints without the masked ones, and a focal length for each image."""
    points = np.zeros((2, 190, 4))
    points[:, :22, :3], points[:, :22, 3] = [STANDING, moved(0, 0, 1)], 1
    points[1, HEAD, 3] = 0
    mask = np.zeros(190, np.uint8)
    mask[:24] = 1
    np.savez(
        tmp_path / "spec_test.npz",
        image_path=np.array(images),
        focal_length=np.array([200.0, 400.0]),
        keypoints3d=points[:, mask > 0],
        keypoints3d_mask=mask,
        meta=np.array({"gender": ["male", "female"]}, dtype=object),
        __keypoints_compressed__=np.array(True),
    )
    first, second = truths(str(tmp_path / "spec_test.npz"))
    assert first.source == images[0]
    assert first.joints == pytest.approx(STANDING)
    assert pytest.approx(np.array([[200, 0, WIDTH / 2], [0, 200, HEIGHT / 2], [0, 0, 1]])) == first.camera.K
    assert second.camera.K[0, 0] == 400
    assert not second.labelled[HEAD]
    assert second.labelled.sum() == 21


def test_spec_with_camera_matrices(tmp_path: Path, images: list[str]) -> None:
    matrix = np.array([[200.0, 0, 155], [0, 210, 118], [0, 0, 1]])
    np.savez(
        tmp_path / "annotations.npz",
        imgname=np.array(images),
        cam_int=np.array([matrix, matrix]),
        keypoints3d_cam=np.array([STANDING, STANDING]),
    )
    assert pytest.approx(matrix) == truths(f"spec:{tmp_path / 'annotations.npz'}")[1].camera.K


def test_egobody(tmp_path: Path, images: list[str]) -> None:
    """`egocapture_*.npz` with the camera of every frame and the joints of the body model."""
    np.savez(
        tmp_path / "egocapture_test_smpl.npz",
        imgname=np.array(images),
        fx=np.full(2, FOCAL[0]),
        fy=np.full(2, FOCAL[1]),
        cx=np.full(2, CENTRE[0]),
        cy=np.full(2, CENTRE[1]),
        betas=np.zeros((2, 10)),
        keypoints3d_cam=np.array([np.pad(STANDING, ((0, 2), (0, 0)))] * 2),
    )
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "egocapture_test_smpl.npz").rename(tmp_path / "elsewhere" / "egocapture_test_smpl.npz")
    first, _ = truths(str(tmp_path / "elsewhere" / "egocapture_test_smpl.npz"), images=tmp_path)
    assert first.camera.K[[0, 1], [0, 1]] == pytest.approx(FOCAL)
    assert first.camera.K[:2, 2] == pytest.approx(CENTRE)
    assert first.joints == pytest.approx(STANDING)


@pytest.mark.parametrize("inner", ["misc", "meta"])
def test_egobody_with_the_camera_in_an_inner_dict(tmp_path: Path, images: list[str], inner: str) -> None:
    """A `.npy` with a pickled dict and the camera in HumanData's inner dict."""
    camera = {"focal_length": np.tile(FOCAL, (2, 1)), "principal_point": np.tile(CENTRE, (2, 1))}
    content = {"image_path": images, "keypoints3d_smpl": np.array([STANDING, STANDING]), inner: camera}
    np.save(tmp_path / "egobody_test.npy", np.array(content, dtype=object))
    first, _ = truths(str(tmp_path / "egobody_test.npy"))
    assert first.camera.K[[0, 1], [0, 1]] == pytest.approx(FOCAL)
    assert first.camera.K[:2, 2] == pytest.approx(CENTRE)


def test_harmony4d(tmp_path: Path, images: list[str]) -> None:
    """A pickled dict by image path."""
    camera = {"focal_length": 200.0, "principal_point": CENTRE}
    content = {image: {"keypoints3d_cam": moved(0, 0, n), **camera} for n, image in enumerate(images)}
    np.save(tmp_path / "harmony4d_test_leftarm_center.npy", np.array(content, dtype=object))
    first, second = truths(str(tmp_path / "harmony4d_test_leftarm_center.npy"))
    assert (first.source, second.source) == tuple(images)
    assert second.joints == pytest.approx(moved(0, 0, 1))
    assert second.camera.K[:2, 2] == pytest.approx(CENTRE)


def columns(images: list[str]) -> dict[str, Any]:
    return {"image_path": images, "focal_length": [200.0, 200.0], "keypoints3d": np.array([STANDING, STANDING])}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_path": None}, "lacks image_path or imgname"),
        ({"keypoints3d": None}, "lacks the joints in the camera frame"),
        ({"keypoints3d": None, "betas": [1]}, "SMPL parameters do not suffice"),
        ({"focal_length": None}, "lacks the camera"),
        ({"focal_length": [200.0]}, "focal_length has 1 values for 2 images"),
        ({"focal_length": [-200.0, 200.0]}, r"ego/00001\.jpg: image 0: .*focal lengths must be positive"),
        ({"keypoints3d": STANDING}, r"must be \(images, 22 or more, 3 or 4\), not \(22, 3\)"),
        ({"keypoints3d": STANDING[None]}, "points has 1 values for 2 images"),
        ({"keypoints3d": np.zeros((2, 17, 3))}, "17 joints"),
        ({"keypoints3d": np.zeros((2, 22, 2))}, r"must be \(images, 22 or more, 3 or 4\)"),
        ({"keypoints3d": np.array([STANDING - STANDING[0]] * 2)}, "not in front of the camera"),
        ({"image_path": ["none.jpg"] * 2}, r"none\.jpg cannot be read: .*--images"),
    ],
)
def test_an_archive_in_another_layout_is_an_error(
    tmp_path: Path, images: list[str], change: dict[str, Any], message: str
) -> None:
    content = {name: value for name, value in (columns(images) | change).items() if value is not None}
    np.savez(tmp_path / "spec.npz", **content)
    with pytest.raises(DataError, match=message) as caught:
        list(open_data(str(tmp_path / "spec.npz")).items())
    assert str(tmp_path) in str(caught.value)


class Malicious:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, ("owned",)


@pytest.mark.parametrize("save", ["npy", "npz", "inside"])
def test_a_pickle_that_runs_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"spec.{'npz' if save == 'npz' else 'npy'}"
    if save == "npz":
        np.savez(path, a=np.zeros(2), b=np.array({"x": Malicious()}, dtype=object))
    else:
        np.save(path, np.array({"x": [np.zeros(3), Malicious()] if save == "inside" else Malicious()}, dtype=object))
    with pytest.raises(DataError, match="which is neither an array nor a built-in container"):
        open_data(str(path))
    assert not (tmp_path / "owned").exists()
    pickle.loads(pickle.dumps(Malicious()))
    assert (tmp_path / "owned").exists(), "the ordinary unpickler runs it"


@pytest.mark.parametrize("protocol", range(6))
def test_pickled_arrays_and_containers_are_read(tmp_path: Path, protocol: int) -> None:
    content = {
        "array": np.arange(6.0).reshape(2, 3),
        "number": np.float32(3),
        "texts": ["a", "ü"],
        "bytes": b"\x00\xff",
        "nested": ({"x": {1, 2}}, None, True, 2.5),
        "strings": np.array(["a", "bc"]),
        "objects": np.array([{"a": 1}, None], dtype=object),
    }
    path = tmp_path / "x.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
        pickle.dump(np.array(content, dtype=object), file, protocol=protocol)
    read = read_archive(path)
    assert read["array"].tolist() == content["array"].tolist()  # type: ignore[attr-defined]
    assert read["objects"].tolist() == [{"a": 1}, None]
    assert read["strings"].tolist() == ["a", "bc"]
    assert {name: read[name] for name in ("number", "texts", "bytes", "nested")} == {
        name: content[name] for name in ("number", "texts", "bytes", "nested")
    }


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"\x93NUMPY", b"nothing of that kind"])
def test_a_file_that_is_not_an_archive_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "egobody.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"egobody\.npz is not a readable NumPy file"):
        open_data(str(path))


def test_a_single_array_is_not_an_archive(tmp_path: Path) -> None:
    np.save(tmp_path / "spec.npy", np.zeros(3))
    with pytest.raises(DataError, match="has a ndarray, not a dict"):
        open_data(str(tmp_path / "spec.npy"))


def test_an_undetectable_format_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data.npz").touch()
    (tmp_path / "m.jsonl").touch()
    for text, options, message in (
        ("none.jsonl", {}, "there is no data set 'none.jsonl'"),
        (str(tmp_path / "data.npz"), {}, "from its name: set --format"),
        (f"spec:{tmp_path / 'm.jsonl'}", {"kind": "manifest"}, "has the format spec, but --format is manifest"),
        (f"manifest:{tmp_path}", {}, "is a directory: name the manifest file itself"),
        (f"synthetic:{tmp_path / 'm.jsonl'}", {}, "is a file: for synthetic data name the directory"),
    ):
        with pytest.raises(DataError, match=message):
            open_data(text, **options)

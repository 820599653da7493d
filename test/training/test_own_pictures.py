"""A checkpoint is fine-tuned on the pictures of a manifest, some of whose joints have no label."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from people import CAMERA, make_sample
from required import ROOT
from safetensors.torch import load_file

from taihri_ros.cli.train import command
from taihri_ros.commands.tasks import Tasks
from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.model.parser import parse
from taihri_ros.model.spec import ModelSpec
from taihri_ros.skeleton import INDEX, JOINTS
from taihri_ros.training.data.pictures import Picture, read_pictures
from taihri_ros.training.data.question_sampler import QuestionSampler, QuestionSettings
from taihri_ros.training.data.viewpoints import Viewpoint
from taihri_ros.training.data.views import RandomViews, ViewSettings
from taihri_ros.training.network.dense import DensePretraining, collate
from taihri_ros.training.weight_average import AVERAGE

LABELLED = ("pelvis", "left_shoulder", "right_shoulder", "left_elbow", "left_wrist", "head", "spine1")
ZOOM = (1.0, 4.0)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five pictures: the third has no labels, and of the others every second one has none of the pelvis."""
    directory = tmp_path_factory.mktemp("labels")
    lines = []
    for index in range(5):
        sample = make_sample(index)
        (directory / f"{index}.png").write_bytes(sample.encoded)
        names = () if index == 2 else LABELLED[index % 2 :]
        joints = {name: sample.joints[INDEX[name]].tolist() for name in names}
        line = {"image": f"{index}.png", "camera_info": CAMERA.to_mapping(), "joints": joints, "other": 1}
        lines.append(json.dumps(line))
    file = directory / "manifest.jsonl"
    file.write_text("\n".join(lines))
    return file


@pytest.fixture(scope="module")
def recipe(manifest: Path, nano: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe of the package with an untrained tiny model that learns zoom, and two steps."""
    directory = tmp_path_factory.mktemp("own")
    content = yaml.safe_load((ROOT / "config" / "training" / "own-pictures.yaml").read_text())
    content |= {"out": str(directory / "out"), "model": str(nano), "spec": {"zoom": list(ZOOM)}}
    content["pictures"] |= {"directory": str(directory / "pictures")}
    content["sft"]["schedule"] |= {"steps": 2, "batch": 3, "warmup": 0, "decay": 1, "evaluate_every": 2}
    content["sft"]["schedule"] |= {"log_every": 1, "rate": 0.02, "muon_rate": 0.02}
    file = directory / "recipe.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.fixture(scope="module")
def trained(recipe: Path, manifest: Path) -> Path:
    run = ["nano", "--config", str(recipe), "--data", str(manifest)]
    CliRunner().invoke(command, run, catch_exceptions=False)
    return recipe.parent


@pytest.fixture(scope="module")
def pictures(trained: Path, manifest: Path) -> list[Picture]:
    name = f"{manifest.parent.name}-manifest.npz"
    parts = [read_pictures(trained / "pictures" / part / name) for part in ("train", "validation")]
    assert [len(part) for part in parts] == [3, 1], "one has no labels; the last tenth is for validation"
    return [picture for part in parts for picture in part]


def test_fine_tuning_writes_a_checkpoint_and_all_its_metrics_are_finite(trained: Path) -> None:
    stage = json.loads((trained / "out" / "model" / "metrics.json").read_text())[0]
    assert stage["finished"]
    values = [value for record in stage["records"] for value in record.values()]
    assert all(np.isfinite(value) for value in values)
    assert {"eval_bin_error", "bin_error"} <= {name for record in stage["records"] for name in record}


def test_the_result_keeps_a_share_of_the_weights_before(trained: Path, nano: Path) -> None:
    keep = yaml.safe_load((trained / "recipe.yaml").read_text())["sft"]["keep"]
    assert 0.0 < keep < 1.0
    after = load_file(trained / "out" / "sft" / "checkpoint-2" / AVERAGE)
    before, result = load_file(nano / "model.safetensors"), load_file(trained / "out" / "model" / "model.safetensors")
    moved = 0.0
    for name, weight in result.items():
        start, end = before[name].float(), after[f"model.{name}"]
        expected = keep * start + (1.0 - keep) * end
        torch.testing.assert_close(weight.float(), expected, rtol=2**-8, atol=1e-6)
        moved = max(moved, float((end - start).abs().max()))
    assert moved > 0.01


def test_joints_without_a_label_are_neither_asked_for_nor_learned(
    trained: Path, nano: Path, pictures: list[Picture]
) -> None:
    spec = replace(ModelSpec.load(nano), zoom=ZOOM)
    vocabulary = Vocabulary(nano, absent=spec.has_absent)
    settings = QuestionSettings(named=((8, 22), (1, 1)), listings=((22, 22),), tasks=3, questions=3)
    sampler = QuestionSampler(vocabulary, spec, Tasks.load(), settings)
    views = RandomViews(trained / "pictures" / "train", ViewSettings(spec, person_crops=0.5), count=12, seed=0)
    asked, numbers = set[str](), 0
    for index in range(len(views)):
        for branch in sampler.sample(views[index], np.random.default_rng(index)).branches:
            names = {joint.joint for joint in parse(vocabulary.texts(branch.targets), None).joints}
            assert names <= {JOINTS[row] for row in np.flatnonzero(views[index].labelled)}
            asked |= names
            numbers += len(names)
    mirrored = {name.replace("left", "right") for name in LABELLED}
    assert set(LABELLED) <= asked <= {*LABELLED, *mirrored}
    assert numbers > 100


def test_the_labels_are_those_of_the_manifest(pictures: list[Picture]) -> None:
    for index, picture in zip((0, 1, 3, 4), pictures, strict=True):
        sample, known = make_sample(index), np.isfinite(picture.joints).all(axis=1)
        assert [JOINTS[row] for row in np.flatnonzero(known)] == sorted(LABELLED[index % 2 :], key=JOINTS.index)
        assert picture.joints[known] == pytest.approx(sample.joints[known])
        assert (picture.visibility[~known] == 2).all()


def test_a_picture_without_the_pelvis_is_not_zoomed(pictures: list[Picture], nano: Path) -> None:
    """The labels of a zoomed view are defined by the depth of the pelvis."""
    spec = replace(ModelSpec.load(nano), zoom=ZOOM)
    far = np.array([0.0, 0.0, 2.0], np.float32)
    for picture, zooms in zip(pictures[:2], (True, False), strict=True):
        picture = replace(picture, joints=picture.joints + far)
        rng = np.random.default_rng(0)
        found = [Viewpoint.around(picture, spec)]
        found += [Viewpoint.sample(rng, picture, spec, degrees=(4, 6, 6), person_crops=0.5) for _ in range(12)]
        assert any(viewpoint.zoom > 1.0 for viewpoint in found) is zooms
        for view in (viewpoint.render(picture) for viewpoint in found):
            assert view.labelled.sum() == np.isfinite(picture.joints).all(axis=1).sum()


def test_the_border_of_a_view_of_nobody_is_that_of_the_camera(pictures: list[Picture], nano: Path) -> None:
    """The black border must not tell that there is a person."""
    spec = ModelSpec.load(nano)
    owners = Viewpoint.plain(pictures[0], spec).render_owners(pictures[0])
    assert owners is not None
    assert set(np.unique(owners)) == {1, 255}


def test_missing_labels_leave_the_loss_of_the_vision_tower_finite(pictures: list[Picture], nano: Path) -> None:
    spec = ModelSpec.load(nano)

    class Tower(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.row = torch.nn.Parameter(torch.ones(8))

        def forward(self, _: torch.Tensor, grids: torch.Tensor) -> object:
            tokens = self.row.expand(int(grids.prod(dim=1).sum()) // 4, 8)
            return type("Output", (), {"pooler_output": tokens})

    module = DensePretraining(Tower(), width=8, focal_px=spec.focal_px)
    found = module(**collate([Viewpoint.plain(picture, spec).render(picture) for picture in pictures[:2]]))
    found["loss"].backward()
    assert float(found["root_depth_error"]) < 5.0
    assert all(torch.isfinite(parameter.grad).all() for parameter in module.parameters())


def test_a_shrunken_picture_has_no_aliasing() -> None:
    """A chequerboard of single pixels becomes grey."""
    board = np.repeat((np.indices((168, 224)).sum(axis=0) % 2 * 255)[..., None], 3, axis=2).astype(np.uint8)
    sample = replace(make_sample(0), encoded=cv2.imencode(".png", board)[1].tobytes())
    inner = Picture.make(sample, focal_px=50.0, max_side=320).image()[10:-10, 10:-10]
    assert np.abs(inner.astype(int) - 127).mean() < 8


def test_a_manifest_with_too_few_labels_is_refused(manifest: Path, tmp_path: Path) -> None:
    (manifest.parent / "one.jsonl").write_text("\n".join(manifest.read_text().splitlines()[1:3]))
    run = ["pictures", "--data", str(manifest.parent / "one.jsonl"), "--out", str(tmp_path)]
    assert "1 pictures with labels" in str(CliRunner().invoke(command, run).exception)

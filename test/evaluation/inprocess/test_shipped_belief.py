"""What taihri-nano of the package publishes about nobody, and about people."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.cli.calibrate import command as calibrate
from taihri_ros.cli.eval import command
from taihri_ros.commands.command import joint_command
from taihri_ros.inference.engine import Engine, EngineInfo, Generation, GenerationRequest
from taihri_ros.inference.factory import open_engine
from taihri_ros.keypoints import State
from taihri_ros.model.spec import Belief, ModelSpec
from taihri_ros.pipeline.belief import OFF, BeliefGate
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.find_person import find_person
from taihri_ros.pipeline.person_crop import PersonCrop
from taihri_ros.pipeline.tracker import Tracker
from taihri_ros.resources import NANO
from taihri_ros.skeleton import JOINTS
from taihri_ros.synthetic import frozen_split as test_split
from taihri_ros.synthetic.dataset import shard_path, write_shard
from taihri_ros.synthetic.empty_rooms import EmptyRooms
from taihri_ros.synthetic.generation import make_samples

CAMERA = Camera(640, 480, np.array([[500, 0, 320], [0, 500, 240], [0, 0, 1]]), np.empty(0), DistortionModel.NONE)
PEOPLE = 24
PICTURES = 50
MOST_ALARMS = 2
"""Upper limit for the false alarms among them; the thresholds are chosen for 1 %."""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("people")
    write_shard(shard_path(directory, 0), make_samples(test_split.SEED, PEOPLE, test_split.SIZE))
    return directory


@pytest.fixture(scope="module")
def nano() -> Engine:
    with open_engine("transformers", str(NANO)) as engine:
        yield engine


def test_few_pictures_of_nobody_have_a_joint_and_most_correct_joints_remain(people: Path, tmp_path: Path) -> None:
    arguments = ["--engine", "transformers", "--in-process", "--nobody", "--nobody-limit", str(PICTURES)]
    arguments += ["--data", str(people), "--out", str(tmp_path)]
    CliRunner().invoke(command, arguments, catch_exceptions=False)
    found = json.loads((tmp_path / "belief.json").read_text())
    alarms, lost = found["false_alarms"], found["lost"]
    assert alarms["of"] == PICTURES
    assert alarms["count"] <= MOST_ALARMS
    assert len(alarms["by_kind"]) >= 8
    assert lost["of"] > 100
    assert lost["share"] < 0.5
    assert lost["published_mm"] < lost["answered_mm"], "the joints that are refused are the worse ones"


@pytest.mark.parametrize("joints", [("right_wrist",), JOINTS])
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("black", marks=pytest.mark.handles("People and belief", "black picture", "nobody: no joint")),
        pytest.param("white", marks=pytest.mark.handles("People and belief", "white picture", "nobody: no joint")),
        pytest.param("noise", marks=pytest.mark.handles("People and belief", "picture of noise", "nobody: no joint")),
        pytest.param(
            "checkerboard", marks=pytest.mark.handles("People and belief", "checkerboard", "nobody: no joint")
        ),
        pytest.param("room", marks=pytest.mark.handles("People and belief", "empty room", "nobody: no joint")),
    ],
)
def test_nobody_has_no_joint(nano: Engine, kind: str, joints: tuple[str, ...]) -> None:
    shape = (CAMERA.height, CAMERA.width, 3)
    rows, columns = np.indices(shape[:2]) // 60
    camera, image = CAMERA, np.zeros(shape, np.uint8)
    if kind == "white":
        image[:] = 255
    elif kind == "noise":
        image = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    elif kind == "checkerboard":
        image[(rows + columns) % 2 == 0] = (230, 20, 20)
    elif kind == "room":
        image, camera = EmptyRooms(123, 640).view(4)
    estimate = Estimator(nano).estimate(image, camera, joint_command(joints))
    assert estimate.person.presence < estimate.thresholds.min_presence
    assert {joint.state for joint in estimate.person.keypoints} == {State.NOBODY}
    assert not estimate.person.located


def test_most_people_are_somebody(nano: Engine) -> None:
    samples = make_samples(test_split.SEED + 1, 16, test_split.SIZE)
    estimates = [Estimator(nano).estimate(one.image, one.camera, joint_command(JOINTS)) for one in samples]
    assert sum(bool(estimate.person.located) for estimate in estimates) >= 5


class Zooming(Engine):
    """The engine with a specification that has learned zoom, and the sizes of the views that it was shown."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.sizes, self.questions = engine, list[tuple[int, ...]](), list[int]()

    @property
    def info(self) -> EngineInfo:
        return replace(self.engine.info, spec=replace(self.engine.info.spec, zoom=(1.0, 4.0)))

    def generate(self, request: GenerationRequest) -> Generation:
        self.sizes.append(request.image.shape[:2])
        self.questions.append(len(request.questions))
        return self.engine.generate(request)


def test_a_person_far_away_is_shown_through_zoomed_views(nano: Engine) -> None:
    engine = Zooming(nano)
    estimator = Estimator(engine, gate=BeliefGate(*OFF))
    command = joint_command(["left_wrist", "right_wrist", "head"])
    far = next(one for one in make_samples(test_split.SEED, PEOPLE, test_split.SIZE) if one.joints[0, 2] > 3.0)
    image, camera = far.image, far.camera
    exchange = find_person(estimator, image, camera, command)
    zoom = exchange.decoder.view.focal_px / 112.0
    assert len(engine.sizes) >= 4, "the full view, the grid and the crop"
    assert engine.questions == [4] * len(engine.sizes), "three joints and the pelvis"
    assert zoom > 1.0
    person, root = exchange.decoder.person("bins", sub_bin=False), exchange.decoder.answer.root
    assert root is not None
    assert [keypoint.name for keypoint in person.keypoints] == list(command.joints)
    for joint, keypoint in zip(exchange.decoder.answer.joints, person.keypoints, strict=True):
        depth = (joint.point[2].bin + (zoom - 1.0) * root.point[2].bin) * 4.0 / 999
        assert exchange.decoder.view.points_to_view(keypoint.position)[0, 2] == pytest.approx(depth, abs=1e-6)
    tracker = Tracker(estimator, person_crop=PersonCrop("auto"))
    estimates = [tracker.estimate(image, camera, command, number * 100_000_000) for number in range(12)]
    assert all(len(estimate.person.located) == 3 for estimate in estimates)


def test_the_belief_of_the_model_is_calibrated() -> None:
    belief = ModelSpec.load(NANO).belief
    assert belief is not None
    assert belief.min_presence > 0.0
    assert belief.presence != Belief().presence
    assert min(belief.presence[1:]) > 0.0, "sharper is more"


def test_calibrate_sets_the_belief(people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taihri_ros.evaluation.belief.calibration.FEWEST_PICTURES", 20)
    model = tmp_path / "nano"
    shutil.copytree(NANO, model)
    (model / "taihri.json").write_text(json.dumps(json.loads((NANO / "taihri.json").read_text()) | {"belief": None}))
    arguments = ["--engine", "transformers", "--in-process", "--model", str(model), "--data", str(people)]
    arguments += ["--nobody-limit", "24"]
    done = CliRunner().invoke(calibrate, arguments, catch_exceptions=False)
    belief = ModelSpec.load(model).belief
    assert belief is not None
    assert len(belief.typical) == len(JOINTS)
    assert f"min_presence {belief.min_presence:g}" in done.output
    assert "with any joint published: 0.0 %" in done.output

"""A small model learns to answer `<absent>` in pictures of nobody, and coordinates in pictures of people."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from people import CAMERA, make_sample

from taihri_ros.commands.command import joint_command
from taihri_ros.commands.tasks import Tasks
from taihri_ros.inference.factory import open_engine
from taihri_ros.keypoints import Person, State
from taihri_ros.model.spec import ModelSpec
from taihri_ros.pipeline.belief import BeliefGate
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.prompt_batch import Decoding
from taihri_ros.synthetic.dataset import Sample
from taihri_ros.training.data.pictures import Picture
from taihri_ros.training.data.question_sampler import QuestionSampler, QuestionSettings
from taihri_ros.training.data.viewpoints import View, Viewpoint
from taihri_ros.training.initial_model import load_initial_model
from taihri_ros.training.network.answer_loss import AnswerLoss
from taihri_ros.training.network.packing import collate
from taihri_ros.training.network.patch_batch import embed_still_patches
from taihri_ros.training.recipe import Recipe

PEOPLE = 240
"""With fewer people, the model does not know those who stand at the edge, and takes them for nobody."""

MOST_STEPS, ERROR, OVER = 500, 0.005, 25
"""Training ends when the mean share of wrong answers, absent or not, has been small over some steps. It comes suddenly,
after 100 to 200 steps: until then, the model answers `<absent>` about everybody."""

NEW = range(1000, 1008)
"""Numbers of the people of the tests, whom the model has never seen."""

JOINTS = ("head", "left_wrist", "right_wrist")
DECODINGS: tuple[Decoding, ...] = ("per_joint", "jump_forward", "plain")


def make_empty(index: int) -> Sample:
    """Return the background of a person alone."""
    person = make_sample(index)
    encoded = cv2.imencode(".png", np.full_like(person.image, person.image[0, 0]))[1].tobytes()
    return replace(person, encoded=encoded)


def batches(spec: ModelSpec) -> Iterator[list[View]]:
    """Generate four views of people and four of nobody at a time."""
    views = []
    for index in range(PEOPLE):
        both = [Picture.make(make(index), focal_px=130.0, max_side=320) for make in (make_sample, make_empty)]
        person, empty = (Viewpoint.plain(picture, spec).render(picture) for picture in both)
        views.append((person, View.without_person(empty.image)))
    rng = np.random.default_rng(0)
    while True:
        yield [view for index in rng.integers(PEOPLE, size=4) for view in views[index]]


@pytest.fixture(scope="module")
def estimators(
    nano: Path, recipe_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Decoding, Estimator]]:
    """Estimators with the trained model and no calibration: only a presence of 0.5 is demanded."""
    start = load_initial_model(Recipe.read(recipe_file), 0)
    embed_still_patches(start.model.model.visual)
    questions = QuestionSettings(named=((3, 3), (2, 3), (1, 1), (1, 1)), tasks=0, questions=0)
    sampler = QuestionSampler(start.vocabulary, start.spec, Tasks.load(), questions)
    loss = AnswerLoss(
        start.model,
        first_coordinate=start.vocabulary.coordinates[0],
        sigma_bins=20.0,
        scheduled_sampling=0.5,
        absent=True,
    ).train()
    optimizer = torch.optim.AdamW([p for p in loss.parameters() if p.requires_grad], lr=2e-3)
    rng, views = np.random.default_rng(1), batches(start.spec)
    errors: deque[float] = deque([1.0] * OVER, maxlen=OVER)
    for _ in range(MOST_STEPS):
        samples = [sampler.sample(view, rng) for view in next(views)]
        batch = collate(samples, start.vocabulary.image_id, start.vocabulary.end_ids[0])
        found = loss(**batch)
        optimizer.zero_grad()
        found["loss"].backward()
        torch.nn.utils.clip_grad_norm_(loss.parameters(), 1.0)
        optimizer.step()
        errors.append(max(1.0 - float(found["absent_accuracy"]), float(found["false_absent"])))
        if np.mean(errors) < ERROR:
            break
    directory = tmp_path_factory.mktemp("learned") / "model"
    shutil.copytree(nano, directory)
    start.model.save_pretrained(directory)
    with open_engine("transformers", str(directory)) as engine:
        gate = BeliefGate(min_confidence=0.0, min_presence=0.5)
        yield {decoding: Estimator(engine, decoding=decoding, gate=gate) for decoding in DECODINGS}


def persons(estimator: Estimator, images: list[np.ndarray]) -> list[Person]:
    return [estimator.estimate(image, CAMERA, joint_command(JOINTS)).person for image in images]


@pytest.mark.parametrize("decoding", DECODINGS)
def test_nobody_is_nobody(estimators: dict[Decoding, Estimator], decoding: Decoding) -> None:
    for person in persons(estimators[decoding], [make_empty(index).image for index in NEW]):
        assert person.presence < 0.5
        assert {keypoint.state for keypoint in person.keypoints} == {State.NOBODY}


@pytest.mark.parametrize("decoding", DECODINGS)
def test_somebody_has_coordinates(estimators: dict[Decoding, Estimator], decoding: Decoding) -> None:
    """Six seeds, two of them with other tokenizers, missed nobody and left 2 of 24 joints unanswered at most."""
    found = persons(estimators[decoding], [make_sample(index).image for index in NEW])
    assert all(person.presence > 0.5 for person in found)
    states = [keypoint.state for person in found for keypoint in person.keypoints]
    assert states.count(State.NOT_ANSWERED) <= len(states) // 8, "so short a training leaves a doubt"

"""Questions of supervised fine-tuning are asked without their answers, and epochs see the same ones again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from taihri_ros.commands.tasks import Tasks
from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.model.spec import ModelSpec
from taihri_ros.training.data.pictures import Picture
from taihri_ros.training.data.question_sampler import QuestionSampler, QuestionSettings
from taihri_ros.training.data.viewpoints import View
from taihri_ros.training.data.views import plain_views
from taihri_ros.training.reinforcement.asked_views import AskedView, AskedViews, collate

SETTINGS = QuestionSettings(named=((2, 3), (1, 1)), tasks=1, questions=1, shuffled=1.0)


@pytest.fixture(scope="module")
def spec(nano: Path) -> ModelSpec:
    return ModelSpec.load(nano)


@pytest.fixture(scope="module")
def sampler(vocabulary: Vocabulary, spec: ModelSpec) -> QuestionSampler:
    return QuestionSampler(vocabulary, spec, Tasks.load(), SETTINGS)


@pytest.fixture(scope="module")
def views(pictures: list[Picture], spec: ModelSpec) -> list[View]:
    return [*plain_views(pictures, spec), View.without_person(np.zeros((64, 96, 3), np.uint8))]


@pytest.fixture(scope="module")
def asked(views: list[View], sampler: QuestionSampler, vocabulary: Vocabulary, spec: ModelSpec) -> list[AskedView]:
    found = AskedViews(views, sampler, vocabulary, spec, seed=3)
    return [found[index] for index in range(len(found))]


def test_the_questions_are_those_of_the_sampler(
    asked: list[AskedView], views: list[View], sampler: QuestionSampler, vocabulary: Vocabulary
) -> None:
    for each, view in zip(asked, views, strict=True):
        sample = sampler.sample(view, np.random.default_rng((3, each.index)))
        assert [question.prompt for question in each.questions] == [branch.prompt for branch in sample.branches]
        assert [question.free for question in each.questions] == [False, False, True, True]
        for question, branch in zip(each.questions, sample.branches, strict=True):
            texts = vocabulary.texts(branch.answer)
            written = [text for text in texts if any(text == f"<|{joint}|>" for joint in question.joints)]
            assert written == [f"<|{joint}|>" for joint in (*question.joints, *question.joints)]
            assert question.grid == (view.image.shape[0] // 32, view.image.shape[1] // 32)


def test_targets_know_whether_somebody_is_there(asked: list[AskedView]) -> None:
    for each in asked:
        for question, target in zip(each.questions, each.targets, strict=True):
            assert (target.joints, target.free) == (question.joints, question.free)
            assert target.person is (each is not asked[-1])
            if not target.person:
                assert bool(target.joints) is not target.free, "named joints are absent, free answers are empty"


def test_epochs_see_the_views_of_a_step_again(
    views: list[View], sampler: QuestionSampler, vocabulary: Vocabulary, spec: ModelSpec
) -> None:
    again = AskedViews(views, sampler, vocabulary, spec, seed=3, epochs=2, views_per_step=3)
    assert [again[item].index for item in range(12)] == [0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5]
    first, second = ([question.prompt for question in again[item].questions] for item in (1, 4))
    assert first == second


def test_a_batch_is_sorted_by_size_and_keeps_its_index(asked: list[AskedView], vocabulary: Vocabulary) -> None:
    batch = collate([asked[5], asked[-1], asked[6]], vocabulary.image_id, vocabulary.end_ids[0])
    questions = batch["asked"].questions
    assert batch["asked"].index == 5
    assert [question.view for question in questions] == [0] * 4 + [1] * 4 + [2] * 4
    assert batch["grids"][0].tolist() == [1, 4, 6], "the view of nobody is the smallest"
    for question in questions:
        assert question.grid == tuple((batch["grids"][question.view, 1:] // 2).tolist())
    assert [target.person for target in batch["asked"].targets] == [False] * 4 + [True] * 8

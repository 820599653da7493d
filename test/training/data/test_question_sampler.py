from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from taihri_ros.commands.tasks import Tasks
from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.model.parser import Outcome, parse
from taihri_ros.model.quantization import ABSENT
from taihri_ros.model.spec import ModelSpec
from taihri_ros.skeleton import INDEX
from taihri_ros.training.data.pictures import Picture
from taihri_ros.training.data.question_sampler import QuestionSampler, QuestionSettings
from taihri_ros.training.data.viewpoints import View, Viewpoint


@pytest.fixture(scope="module")
def spec(nano: Path) -> ModelSpec:
    return ModelSpec.load(nano)


@pytest.fixture(scope="module")
def vocabulary(nano: Path) -> Vocabulary:
    return Vocabulary(nano, absent=True)


@pytest.fixture(scope="module")
def view(pictures: list[Picture]) -> View:
    return Viewpoint(104.0, (160, 128)).render(pictures[0])


def test_answers_are_well_formed_and_decode_to_the_truth(vocabulary: Vocabulary, spec: ModelSpec, view: View) -> None:
    settings = QuestionSettings(named=((22, 22), (1, 4)), nothing=0.0, noise_bins=(1e-6, 1e-6))
    packed = QuestionSampler(vocabulary, spec, Tasks.load(), settings).sample(view, np.random.default_rng(0))
    assert len(packed.branches) == 4
    for number, branch in enumerate(packed.branches):
        assert branch.answer == branch.targets
        answer = parse(vocabulary.texts(branch.targets), None)
        assert answer.joints
        assert len(answer.joints) == 22 or number > 0
        for joint in answer.joints:
            assert joint.outcome is Outcome.ANSWERED
            row = INDEX[joint.joint]
            pixel = np.array([token.bin for token in joint.pixel]) / 999 * (160, 128)
            point = spec.space.low + np.array([token.bin for token in joint.point]) * spec.space.step
            if view.visibility[row] < 2:
                assert pixel == pytest.approx(view.pixels[row], abs=0.1)
            if spec.space.contains(view.joints[row]):
                assert point == pytest.approx(view.joints[row], abs=0.0026)


NOBODY = View.without_person(np.zeros((128, 160, 3), np.uint8))


def test_without_absent_answers_about_nobody_leave_every_joint_out(vocabulary: Vocabulary, spec: ModelSpec) -> None:
    assert spec.answer is not None
    plain = replace(spec, answer=replace(spec.answer, absent=False))
    sampler = QuestionSampler(vocabulary, plain, Tasks.load(), QuestionSettings())
    packed = sampler.sample(NOBODY, np.random.default_rng(0))
    assert len(packed.branches) == 5
    for branch in packed.branches:
        assert parse(vocabulary.texts(branch.targets), None).joints == ()
        assert max(branch.weights) == 1.0
        assert branch.free


def test_named_joints_of_nobody_are_absent_and_free_commands_have_none(vocabulary: Vocabulary, spec: ModelSpec) -> None:
    settings = QuestionSettings(named=((2, 2), (1, 1)), listings=((22, 22),), tasks=1, questions=1)
    packed = QuestionSampler(vocabulary, spec, Tasks.load(), settings).sample(NOBODY, np.random.default_rng(0))
    *named, task, question = packed.branches
    for branch, count in zip(named, (2, 1, 22), strict=True):
        answer = parse(vocabulary.texts(branch.targets), None)
        assert [joint.outcome for joint in answer.joints] == [Outcome.ABSENT] * count
        assert branch.answer == branch.targets, "there is no noise"
        absent = vocabulary.coordinates[ABSENT]
        weights = np.array([w for w, token in zip(branch.weights, branch.targets, strict=True) if token == absent])
        assert weights[: 2 * count].reshape(count, 2).tolist() == [[1.0, settings.template_weight]] * count
        assert weights[2 * count :].tolist() == [settings.template_weight] * 3 * count
        others = {w for w, token in zip(branch.weights, branch.targets, strict=True) if token != absent}
        assert others == {settings.template_weight}, "the grammar determines all other tokens"
    for branch in (task, question):
        assert parse(vocabulary.texts(branch.targets), None).joints == ()
        assert max(branch.weights) == 1.0


def test_joints_beyond_the_edge_of_the_view_are_not_absent(
    vocabulary: Vocabulary, spec: ModelSpec, pictures: list[Picture]
) -> None:
    view = Viewpoint(104.0, (64, 64)).render(pictures[0])
    assert (view.visibility == 2).any()
    settings = QuestionSettings(named=((22, 22),), tasks=0, questions=0)
    (branch,) = (
        QuestionSampler(vocabulary, spec, Tasks.load(), settings).sample(view, np.random.default_rng(0)).branches
    )
    assert vocabulary.coordinates[ABSENT] not in (*branch.targets, *branch.answer)


def test_noise_is_in_the_context_but_not_in_the_targets(vocabulary: Vocabulary, spec: ModelSpec, view: View) -> None:
    sampler = QuestionSampler(vocabulary, spec, Tasks.load(), QuestionSettings(noise_bins=(30.0, 30.0)))
    branch = sampler.sample(view, np.random.default_rng(1)).branches[2]
    differ = [read != wanted for read, wanted in zip(branch.answer, branch.targets, strict=True)]
    assert any(differ)
    numeric = [token in vocabulary.coordinates for token in branch.targets]
    assert all(number for number, other in zip(numeric, differ, strict=True) if other)


def test_joints_outside_the_view_have_a_lower_weight(
    vocabulary: Vocabulary, spec: ModelSpec, pictures: list[Picture]
) -> None:
    view = Viewpoint(104.0, (64, 64)).render(pictures[0])
    assert (view.visibility == 2).any()
    settings = QuestionSettings(named=((22, 22),), tasks=0, questions=0, shuffled=0.0, beyond_weight=0.3)
    (branch,) = (
        QuestionSampler(vocabulary, spec, Tasks.load(), settings).sample(view, np.random.default_rng(0)).branches
    )
    numeric = [w for w, token in zip(branch.weights, branch.targets, strict=True) if token in vocabulary.coordinates]
    flat = np.array(numeric[:44]).reshape(22, 2)
    assert np.array_equal(flat[:, 0] == 1.0, view.visibility < 2)
    assert set(flat[view.visibility == 2].ravel()) == {0.3}


def test_held_out_sentences_are_never_sampled(vocabulary: Vocabulary, spec: ModelSpec, view: View) -> None:
    tasks = Tasks.load()
    held_out = {sentence.lower().rstrip(".!?") for task in tasks.tasks for sentence in task.held_out}
    assert held_out
    sampler = QuestionSampler(vocabulary, spec, tasks, QuestionSettings(named=(), tasks=40, questions=0))
    sentences = {
        "".join(vocabulary.texts(branch.prompt)).lower().partition("<|im_end|>")[0].rpartition("<|vision_end|>")[2]
        for seed in range(10)
        for branch in sampler.sample(view, np.random.default_rng(seed)).branches
    }
    assert len(sentences) > 200
    phrasings = {sentence.lower().rstrip(".!?") for task in tasks.tasks for sentence in task.phrasings}
    from_table = sum(any(known in sentence for known in phrasings) for sentence in sentences) / len(sentences)
    assert 0.3 < from_table < 0.7, "half of the commands that ask for something, and hardly any other"
    assert not [sentence for sentence in sentences if sentence.rstrip(".!?") in held_out]


def test_a_listing_has_no_question(vocabulary: Vocabulary, spec: ModelSpec, view: View) -> None:
    settings = QuestionSettings(named=(), listings=((22, 22),), tasks=0, questions=0, shuffled=0.0)
    (branch,) = (
        QuestionSampler(vocabulary, spec, Tasks.load(), settings).sample(view, np.random.default_rng(0)).branches
    )
    assert [joint.joint for joint in parse(vocabulary.texts(branch.targets), None).joints] == list(INDEX)
    assert not set(vocabulary.ids("coordinates of the person")) & set(branch.prompt)


def test_a_share_of_the_free_commands_asks_for_nothing(vocabulary: Vocabulary, spec: ModelSpec, view: View) -> None:
    settings = QuestionSettings(named=((1, 3),), tasks=50, questions=50)
    named, *free = (
        QuestionSampler(vocabulary, spec, Tasks.load(), settings).sample(view, np.random.default_rng(2)).branches
    )
    assert parse(vocabulary.texts(named.targets), None).joints
    empty = [branch for branch in free if not parse(vocabulary.texts(branch.targets), None).joints]
    assert len(empty) / len(free) == pytest.approx(settings.nothing, abs=0.12)
    assert all(max(branch.weights) == 1.0 for branch in empty), "the end of the joints has full weight"


def test_a_model_that_learns_zoom_is_asked_for_the_root_as_the_node_asks(
    vocabulary: Vocabulary, spec: ModelSpec, view: View
) -> None:
    settings = QuestionSettings(named=((2, 4), (1, 1)), listings=((1, 1),), tasks=0, questions=0, shuffled=0.0)
    rng = np.random.default_rng(0)
    for zoom, zooms in (((1.0, 4.0), True), ((1.0, 1.0), False)):
        sampler = QuestionSampler(vocabulary, replace(spec, zoom=zoom), Tasks.load(), settings)
        answers = [
            [[joint.joint for joint in parse(vocabulary.texts(branch.targets), None).joints] for branch in branches]
            for branches in (sampler.sample(view, rng).branches for _ in range(40))
        ]
        several, single, listing = zip(*answers, strict=True)
        asked = np.mean(["pelvis" in names for names in several])
        assert asked == 1.0 if zooms else asked < 0.5
        assert all(names == sorted(names, key=list(INDEX).index) for names in several)
        assert all(len(names) == 1 for names in (*single, *listing))
        alone = np.mean([names == ["pelvis"] for names in single])
        assert bool(alone > 0.15) is zooms

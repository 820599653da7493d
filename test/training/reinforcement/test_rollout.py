"""Answers are sampled within the grammar, from the distribution that the model gives each separate answer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from asked import FORMAT, GROUP, NAMED

from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.inference.constrained.automaton import Automaton
from taihri_ros.model.grammar import free_grammar, named_grammar
from taihri_ros.model.parser import Outcome, parse
from taihri_ros.skeleton import INDEX
from taihri_ros.training.reinforcement.answer_steps import AnswerSteps
from taihri_ros.training.reinforcement.rollout import Rollout, Sampler
from taihri_ros.training.reinforcement.tree_packing import Question, TreeRows, encode, features_of


def options_of(rollout: Rollout, index: int, vocabulary: Vocabulary) -> torch.Tensor:
    decisions = rollout.decisions
    if decisions.joint[index] >= 0:
        return torch.tensor(list(vocabulary.coordinates))
    return decisions.options[index][decisions.options[index] >= 0]


def test_every_answer_follows_the_grammar(rollout: Rollout, vocabulary: Vocabulary) -> None:
    grammars = [*(named_grammar(names, FORMAT) for names in NAMED), free_grammar(FORMAT)]
    for grammar, answers in zip(grammars, rollout.answers, strict=True):
        automaton = Automaton(grammar, vocabulary.ids, vocabulary.coordinates)
        assert len(answers) == GROUP
        assert all(automaton.accepts(answer) for answer in answers)


def test_the_decisions_are_the_coordinates_and_the_names_of_the_answers(
    rollout: Rollout, vocabulary: Vocabulary
) -> None:
    decisions = rollout.decisions
    for index in range(len(decisions.place)):
        answer = rollout.answers[decisions.question[index]][decisions.sample[index]]
        token = answer[decisions.place[index]]
        assert token == options_of(rollout, index, vocabulary)[decisions.chosen[index]]
    of_second = decisions.select((decisions.question == 1) & (decisions.sample == 2))
    names = [INDEX[joint] for joint in NAMED[1]]
    order = [(name, column) for columns in ((0, 1), (2, 3, 4)) for name in names for column in columns]
    assert list(zip(of_second.joint.tolist(), of_second.column.tolist(), strict=True)) == order


def test_the_coordinates_of_a_free_answer_belong_to_the_joints_that_it_names(
    model: Any, features: Any, questions: list[Question], steps: list[AnswerSteps], vocabulary: Vocabulary
) -> None:
    rollout = Sampler(vocabulary).sample(
        model, features, questions[2:], steps[2:], group=12, generator=torch.Generator().manual_seed(2)
    )
    decisions = rollout.decisions
    named = 0
    for sample, answer in enumerate(rollout.answers[0]):
        mine = decisions.select(decisions.sample == sample)
        parsed = parse(vocabulary.texts(answer), None)
        for joint in parsed.joints:
            bins = mine.chosen[mine.joint == INDEX[joint.joint]].tolist()
            assert joint.outcome in (Outcome.ANSWERED, Outcome.ABSENT, Outcome.NO_2D, Outcome.NO_3D)
            if joint.outcome is Outcome.ANSWERED:
                assert bins == [each.bin for each in (*joint.pixel, *joint.point)]
                named += 1
    assert named > 3


def test_log_probabilities_equal_those_of_separate_sequences(
    model: Any, features: Any, questions: list[Question], rollout: Rollout, vocabulary: Vocabulary
) -> None:
    """They are those of sampling, and those of one pass over the packed answers, too."""
    end = vocabulary.end_ids[0]
    rows = TreeRows.pack(questions, rollout.answers, image_id=vocabulary.image_id, padding_id=end)
    with torch.no_grad():
        packed = model.lm_head(encode(model, rows, features=features_of(features, [each.view for each in questions])))
    compared = 0
    for row, question in enumerate(questions):
        start = question.context_length
        for sample, answer in enumerate(rollout.answers[row]):
            image = [vocabulary.image_id] * (question.grid[0] * question.grid[1])
            ids = torch.tensor([[*question.prefix, *image, *question.prompt, *answer]])
            grid = torch.tensor([[1, 2 * question.grid[0], 2 * question.grid[1]]])
            kinds = (ids == vocabulary.image_id).int()
            positions, _ = model.model.get_rope_index(ids, kinds, image_grid_thw=grid)
            with torch.no_grad():
                separate = model(
                    input_ids=ids,
                    position_ids=positions,
                    mm_encoder_outputs={"image": features_of(features, [question.view])},
                ).logits[0]
            decisions = rollout.decisions
            for index in ((decisions.question == row) & (decisions.sample == sample)).nonzero()[:, 0].tolist():
                options = options_of(rollout, index, vocabulary)
                before, chosen = start + int(decisions.place[index]) - 1, decisions.chosen[index]
                expected = separate[before, options].log_softmax(dim=0)[chosen]
                offset = start + sum(map(len, rollout.answers[row][:sample]))
                tree = packed[row, offset + int(decisions.place[index]) - 1, options].log_softmax(dim=0)[chosen]
                assert decisions.logprob[index] == pytest.approx(float(expected), abs=2e-4)
                assert float(tree) == pytest.approx(float(expected), abs=2e-4)
                compared += 1
    assert compared == len(rollout.decisions.place)


def test_samples_follow_the_renormalised_distribution(
    model: Any, features: Any, questions: list[Question], steps: list[AnswerSteps], vocabulary: Vocabulary
) -> None:
    """Chi-square of the first coordinate in ten equally likely parts, below its 99.9 % quantile."""
    rollout = Sampler(vocabulary).sample(
        model, features, questions[:1], steps[:1], group=600, generator=torch.Generator().manual_seed(5)
    )
    first = rollout.decisions.select(rollout.decisions.column == 0)
    sampled = first.chosen
    ids = [rollout.answers[0][0][:2]]
    rows = TreeRows.pack(questions[:1], [ids], image_id=vocabulary.image_id, padding_id=vocabulary.end_ids[0])
    with torch.no_grad():
        logits = model.lm_head(encode(model, rows, features=features_of(features, [0])))[0, -1]
    probability = logits[torch.tensor(list(vocabulary.coordinates))].double().softmax(dim=0)
    edges = torch.searchsorted(probability.cumsum(0), torch.linspace(0.1, 0.9, 9, dtype=torch.float64))
    part = torch.bucketize(torch.arange(len(probability)), edges)
    expected = 600 * torch.zeros(10, dtype=torch.float64).index_add(0, part, probability)
    counted = torch.bincount(part[sampled], minlength=10)
    assert float(((counted - expected) ** 2 / expected).sum()) < 27.9


def test_the_first_answer_is_greedy_on_request_and_a_seed_repeats_the_others(
    model: Any, features: Any, questions: list[Question], steps: list[AnswerSteps], vocabulary: Vocabulary
) -> None:
    runs = [
        Sampler(vocabulary).sample(
            model,
            features,
            questions[:2],
            steps[:2],
            group=2,
            generator=torch.Generator().manual_seed(seed),
            greedy_first=True,
        )
        for seed in (3, 3, 4)
    ]
    assert runs[0].answers == runs[1].answers
    for first, last in zip(runs[0].answers, runs[2].answers, strict=True):
        assert first[0] == last[0]
        assert first[1] != last[1]

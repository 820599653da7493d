"""Tests of jump-forward decoding and of batched questions: the answers are equal to those of plain decoding."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import transformers
from engine_requests import (
    ANSWER_FORMATS,
    BOTH_WRISTS,
    WRIST_GRAMMAR,
    answer_separately,
    assert_all_close,
    assert_close,
    generate_one,
    joint_question,
    joint_questions,
    make_request,
    noise,
)

from taihri_ros.commands.command import joint_command
from taihri_ros.inference.checkpoint.tiny_checkpoint import SPEC
from taihri_ros.inference.constrained.answer_template import Segment, Template, TemplateState
from taihri_ros.inference.engine import (
    GenerationFailedError,
    Question,
)
from taihri_ros.inference.in_process_engine import MAX_QUESTIONS
from taihri_ros.inference.local_engine import LocalEngine
from taihri_ros.inference.transformers.transformers_engine import TransformersEngine
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import free_grammar, named_grammar
from taihri_ros.model.parser import Outcome
from taihri_ros.model.prompts import Prompt, make_prompt
from taihri_ros.pipeline.prompt_batch import make_prompt_batch
from taihri_ros.skeleton import JOINTS

PENALTIES = [1.0, 1.05, 1.5]


def all_pairs(*joint_sets: tuple[str, ...]) -> pytest.MarkDecorator:
    """Parametrize with all pairs of joint set, answer format and penalty, which a third of the combinations contain."""
    cases = [
        pytest.param(joints, name, PENALTIES[(row + column) % 3], id=f"{len(joints)}-{name}")
        for row, joints in enumerate(joint_sets)
        for column, name in enumerate(ANSWER_FORMATS)
    ]
    return pytest.mark.parametrize(("joints", "answer_format", "penalty"), cases)


@all_pairs(("head",), BOTH_WRISTS, JOINTS[::3])
def test_jump_forward_decoding_does_not_change_the_answer(
    engine: LocalEngine, joints: tuple[str, ...], answer_format: str, penalty: float
) -> None:
    request = make_request(
        joints,
        seed=len(joints),
        grammar=named_grammar(joints, ANSWER_FORMATS[answer_format]),
        repetition_penalty=penalty,
    )
    quick, plain = (engine.generate(dataclasses.replace(request, jump_forward=skip)) for skip in (True, False))
    assert_all_close(quick, list(plain.answers))
    assert quick.answers[0].finish_reason == "stop"
    assert quick.steps < plain.steps


@all_pairs(BOTH_WRISTS, ("pelvis", "neck", "head"), JOINTS)
def test_batched_questions_get_the_same_answers_as_separate_ones(
    engine: LocalEngine, joints: tuple[str, ...], answer_format: str, penalty: float
) -> None:
    request = make_request(
        seed=len(joints), questions=joint_questions(joints, ANSWER_FORMATS[answer_format]), repetition_penalty=penalty
    )
    assert_all_close(engine.generate(request), answer_separately(engine, request))


@pytest.mark.parametrize("penalty", [0.5, 1.05, 3.0])
def test_the_repetition_penalty_is_equal_to_that_of_transformers(
    transformers_engine: LocalEngine, penalty: float
) -> None:
    """With scores of both signs; the tiny checkpoint does not produce both for repeated tokens."""
    assert isinstance(transformers_engine, TransformersEngine)
    vocabulary = transformers_engine.vocabulary
    coordinates = list(vocabulary.coordinates)
    scores = torch.randn(
        (2, transformers_engine._model.config.text_config.vocab_size), generator=torch.Generator().manual_seed(0)
    )
    template_states = []
    for indices in (range(600), range(300, 900)):
        template_states.append(TemplateState(Template((Segment((5, 7), 700),), ())))
        for index in indices:
            template_states[-1].append(coordinates[index], None)
    processor = transformers.RepetitionPenaltyLogitsProcessor(penalty)
    wanted = [
        processor(torch.tensor([template_state.tokens]), scores[row : row + 1].clone())[0, coordinates].log_softmax(-1)
        for row, template_state in enumerate(template_states)
    ]
    transformers_engine._append_most_likely(make_request(repetition_penalty=penalty), scores, template_states)
    for template_state, logprobs in zip(template_states, wanted, strict=True):
        found = template_state.top_k[-1]
        assert found is not None
        assert template_state.tokens[-1] == coordinates[int(logprobs.argmax())]
        values, bins = logprobs.topk(20)
        assert found.bins == tuple(bins.tolist())
        assert found.logprobs == pytest.approx(values.tolist(), abs=1e-5)


@pytest.mark.parametrize(("width", "height"), [(160, 128), (96, 640), (1408, 1408)])
def test_batched_questions_share_an_image_of_any_size(engine: LocalEngine, width: int, height: int) -> None:
    request = make_request(
        image=noise(3, height, width), questions=joint_questions(("head", "left_wrist", "right_foot"))
    )
    assert_all_close(engine.generate(request), answer_separately(engine, request))


def test_answers_have_the_order_of_the_questions(engine: LocalEngine) -> None:
    joints = ("right_wrist", "head", "left_wrist", "head")
    generation = engine.generate(make_request(questions=joint_questions(joints)))
    assert [next(joint for joint in JOINTS if f"<|{joint}|>" in one.tokens) for one in generation.answers] == list(
        joints
    )
    assert_close(generation.answers[1], generation.answers[3])


def test_top_k_is_the_number_of_returned_bins_in_a_batch(engine: LocalEngine) -> None:
    questions = joint_questions(BOTH_WRISTS)
    many, few, none = (engine.generate(make_request(questions=questions, top_k=count)) for count in (20, 3, 0))
    for full, short, bare in zip(many.answers, few.answers, none.answers, strict=True):
        assert full.tokens == short.tokens == bare.tokens
        assert {len(found.bins) for found in short.top_k if found} == {3}
        assert [found and found.bins[:3] for found in full.top_k] == [found and found.bins for found in short.top_k]
        assert set(bare.top_k) == {None}


@pytest.mark.parametrize(("answer_format", "steps"), [("no box", 5), ("official", 9), ("separated", 9)])
def test_batched_questions_take_as_many_passes_as_one(engine: LocalEngine, answer_format: str, steps: int) -> None:
    for joints in (("head",), BOTH_WRISTS, JOINTS):
        generation = engine.generate(make_request(questions=joint_questions(joints, ANSWER_FORMATS[answer_format])))
        assert generation.steps == steps
        assert 0 < generation.timings_ms["prefill"] < generation.timings_ms["total"]


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize(("answer_format", "box"), [("no box", 0), ("official", 4), ("separated", 4)])
def test_one_question_takes_one_pass_for_each_coordinate(
    engine: LocalEngine, answer_format: str, box: int, count: int
) -> None:
    generation = engine.generate(
        make_request(JOINTS[:count], grammar=named_grammar(JOINTS[:count], ANSWER_FORMATS[answer_format]))
    )
    assert generation.steps == 5 * count + box


def test_decoding_token_by_token_takes_one_pass_for_each_token(engine: LocalEngine) -> None:
    generation = engine.generate(make_request(jump_forward=False))
    assert generation.steps == len(generation.answers[0].tokens) + 1, "the end token also takes one"


@pytest.mark.parametrize("jump_forward", [True, False])
@pytest.mark.parametrize("max_tokens", [1, 7, 23])
def test_an_answer_longer_than_max_tokens_is_truncated(
    engine: LocalEngine, max_tokens: int, jump_forward: bool
) -> None:
    whole = generate_one(engine, make_request())
    found = generate_one(engine, make_request(max_tokens=max_tokens, jump_forward=jump_forward))
    assert found.finish_reason == "length"
    assert found.tokens == whole.tokens[:max_tokens]
    assert len(found.top_k) == max_tokens


@pytest.mark.parametrize("max_tokens", [24, 25])
def test_the_end_token_counts_with_and_without_jump_forward(engine: LocalEngine, max_tokens: int) -> None:
    found = [generate_one(engine, make_request(max_tokens=max_tokens, jump_forward=skip)) for skip in (True, False)]
    assert_close(*found)
    assert len(found[0].tokens) == 24
    assert found[0].finish_reason == ("length" if max_tokens == 24 else "stop")


def test_truncation_of_one_answer_does_not_affect_the_others(engine: LocalEngine) -> None:
    head, both = joint_question("head"), make_request().questions[0]
    request = make_request(questions=(head, both, head), max_tokens=20)
    generation = engine.generate(request)
    assert [one.finish_reason for one in generation.answers] == ["stop", "length", "stop"]
    assert_all_close(generation, answer_separately(engine, request))


def prompt_leaving(engine: LocalEngine, left: int) -> Prompt:
    """Return a prompt that leaves `left` tokens for the answer."""
    taken = engine.visual_tokens(make_request()) - 1
    for count in range(engine._max_length, 0, -1):
        prompt = Prompt("", "!" * count)
        length = taken + len(engine.vocabulary.prompt_ids(prompt))
        if length == engine._max_length - left:
            return prompt
    raise AssertionError("there is no such prompt")


@pytest.mark.parametrize("left", [1, 5, 17, 18])
def test_an_answer_that_exceeds_the_context_length_is_truncated(vllm_engine: LocalEngine, left: int) -> None:
    head = named_grammar(("head",), AnswerFormat())
    long, short = Question(prompt_leaving(vllm_engine, left), head), Question(Prompt("", "head"), head)
    request = make_request(questions=(short, long, short))
    generation = vllm_engine.generate(request)
    assert [len(one.tokens) for one in generation.answers] == [17, min(left, 17), 17]
    assert generation.answers[1].finish_reason == ("stop" if left == 18 else "length")
    assert_all_close(generation, answer_separately(vllm_engine, request))


MIXED = {
    "different system prompts": (
        joint_question("head"),
        joint_question("left_wrist", system="Look closely."),
        joint_question("neck"),
    ),
    "one with a choice in its grammar": (
        joint_question("head"),
        Question(Prompt(SPEC.system_prompt, "hug me"), free_grammar(AnswerFormat())),
        joint_question("neck"),
    ),
    "one without a grammar": (
        joint_question("head"),
        Question(make_prompt(joint_command(("neck",)), SPEC)),
        joint_question("neck"),
    ),
    "different answer formats": (
        joint_question("head"),
        joint_question("head", ANSWER_FORMATS["separated"]),
        joint_question("left_wrist", ANSWER_FORMATS["no box"]),
    ),
    "one joint and several": (joint_question("head"), make_request().questions[0], joint_question("right_wrist")),
    "messages without a common prefix": tuple(
        Question(Prompt(SPEC.system_prompt, text), WRIST_GRAMMAR) for text in ("wrists?", "Where?", "", "x y z " * 50)
    ),
    "one message is a prefix of another": tuple(
        Question(Prompt(SPEC.system_prompt, text), WRIST_GRAMMAR)
        for text in ("both wrists", "both wrists, please", "both")
    ),
    "the same question twice": (joint_question("head"), joint_question("head")),
}


@pytest.mark.parametrize("name", MIXED)
def test_mixed_questions_get_the_same_answers_as_separate_ones(engine: LocalEngine, name: str) -> None:
    request = make_request(questions=MIXED[name], max_tokens=80)
    assert_all_close(engine.generate(request), answer_separately(engine, request))


@pytest.mark.parametrize("name", ["different system prompts", "one with a choice in its grammar"])
def test_questions_that_cannot_be_batched_are_answered_sequentially(engine: LocalEngine, name: str) -> None:
    request = make_request(questions=MIXED[name], max_tokens=400)
    generation = engine.generate(request)
    parts = [engine.generate(dataclasses.replace(request, questions=(one,), jump_forward=False)) for one in MIXED[name]]
    assert generation.steps == sum(part.steps for part in parts)
    assert 0 < generation.timings_ms["prefill"] < generation.timings_ms["total"]


@pytest.mark.parametrize("count", [0, MAX_QUESTIONS + 1])
def test_a_request_needs_1_to_22_questions(engine: LocalEngine, count: int) -> None:
    request = dataclasses.replace(make_request(), questions=(joint_question("head"),) * count)
    with pytest.raises(GenerationFailedError, match=f"has {count} questions: it must have 1 to 22"):
        engine.generate(request)
    assert generate_one(engine, make_request()).finish_reason == "stop"


def test_a_prompt_that_is_too_long_is_rejected(engine: LocalEngine) -> None:
    long = Question(Prompt(SPEC.system_prompt, "x y z " * 20_000), WRIST_GRAMMAR)
    with pytest.raises(GenerationFailedError, match="shorten the prompt"):
        engine.generate(make_request(questions=(joint_question("head"), long)))


@pytest.mark.parametrize("decoding", ["per_joint", "jump_forward", "plain"])
def test_the_estimators_prompt_batches_are_answered(engine: LocalEngine, decoding: str) -> None:
    assert engine.info.batched
    batch = make_prompt_batch(joint_command(JOINTS), engine.info, decoding)  # type: ignore[arg-type]
    request = dataclasses.replace(
        make_request(questions=batch.questions, max_tokens=batch.max_tokens), jump_forward=batch.jump_forward
    )
    found = batch.parse(engine.generate(request).answers)
    assert [joint.joint for joint in found.joints] == list(JOINTS)
    assert {joint.outcome for joint in found.joints} == {Outcome.ANSWERED}
    assert len(batch.questions) == (22 if decoding == "per_joint" else 1)

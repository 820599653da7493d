"""Forced tokens that are not decoded, and several questions about one image: the answers are those of the plain way."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import transformers
from asking import ANSWER_FORMATS, BOTH_WRISTS, NAMED, about, alone, answer, ask, assert_alike, assert_same, each, noise

from taihri_ros.commands.command import joint_command
from taihri_ros.inference.checkpoint.tiny import SPEC
from taihri_ros.inference.constrained.template import Segment, Template, TemplateState
from taihri_ros.inference.engine import (
    GenerationFailedError,
    Question,
)
from taihri_ros.inference.local_engine import MAX_QUESTIONS, LocalEngine
from taihri_ros.inference.transformers.transformers_engine import TransformersEngine
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import free_grammar, named_grammar
from taihri_ros.model.parser import Outcome
from taihri_ros.model.prompts import Prompt, make_prompt
from taihri_ros.pipeline.prompt_batch import make_prompt_batch
from taihri_ros.skeleton import JOINTS

PENALTIES = [1.0, 1.05, 1.5]


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("answer_format", ANSWER_FORMATS)
@pytest.mark.parametrize("joints", [("head",), BOTH_WRISTS, JOINTS[::3]], ids=["one", "two", "eight"])
def test_forced_tokens_that_are_not_decoded_change_nothing(
    engine: LocalEngine, joints: tuple[str, ...], answer_format: str, penalty: float
) -> None:
    request = ask(
        joints,
        seed=len(joints),
        grammar=named_grammar(joints, ANSWER_FORMATS[answer_format]),
        repetition_penalty=penalty,
    )
    quick, plain = (engine.generate(dataclasses.replace(request, jump_forward=skip)) for skip in (True, False))
    assert_same(quick, list(plain.answers))
    assert quick.answers[0].finish_reason == "stop"
    assert quick.steps < plain.steps


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("answer_format", ANSWER_FORMATS)
@pytest.mark.parametrize("joints", [BOTH_WRISTS, ("pelvis", "neck", "head"), JOINTS], ids=["two", "three", "all"])
def test_questions_side_by_side_are_answered_as_each_alone(
    engine: LocalEngine, joints: tuple[str, ...], answer_format: str, penalty: float
) -> None:
    request = ask(seed=len(joints), questions=each(joints, ANSWER_FORMATS[answer_format]), repetition_penalty=penalty)
    assert_same(engine.generate(request), alone(engine, request))


@pytest.mark.parametrize("penalty", [0.5, 1.05, 3.0])
def test_the_repetition_penalty_is_that_of_transformers(transformers_engine: LocalEngine, penalty: float) -> None:
    """Of scores with either sign, which the tiny checkpoint does not give to what it has said."""
    assert isinstance(transformers_engine, TransformersEngine)
    vocabulary = transformers_engine.vocabulary
    coordinates = slice(vocabulary.coordinates.start, vocabulary.coordinates.stop)
    scores = torch.randn(
        (2, transformers_engine._model.config.text_config.vocab_size), generator=torch.Generator().manual_seed(0)
    )
    template_states = []
    for said in (range(600), range(300, 900)):
        template_states.append(TemplateState(Template((Segment((5, 7), 700),), ())))
        for index in said:
            template_states[-1].choose(vocabulary.first_coordinate + index, None)
    plain = transformers.RepetitionPenaltyLogitsProcessor(penalty)
    wanted = [
        plain(torch.tensor([template_state.tokens]), scores[row : row + 1].clone())[0, coordinates].log_softmax(-1)
        for row, template_state in enumerate(template_states)
    ]
    transformers_engine._choose(ask(repetition_penalty=penalty), scores, template_states)
    for template_state, logprobs in zip(template_states, wanted, strict=True):
        found = template_state.top_k[-1]
        assert found is not None
        assert template_state.tokens[-1] == vocabulary.first_coordinate + int(logprobs.argmax())
        values, bins = logprobs.topk(20)
        assert found.bins == tuple(bins.tolist())
        assert found.logprobs == pytest.approx(values.tolist(), abs=1e-5)


@pytest.mark.parametrize(("width", "height"), [(160, 128), (96, 640), (1408, 1408)])
def test_images_of_any_size_are_shared(engine: LocalEngine, width: int, height: int) -> None:
    request = ask(image=noise(3, height, width), questions=each(("head", "left_wrist", "right_foot")))
    assert_same(engine.generate(request), alone(engine, request))


def test_the_order_of_the_questions_is_that_of_the_answers(engine: LocalEngine) -> None:
    joints = ("right_wrist", "head", "left_wrist", "head")
    generation = engine.generate(ask(questions=each(joints)))
    assert [next(joint for joint in JOINTS if f"<|{joint}|>" in one.tokens) for one in generation.answers] == list(
        joints
    )
    assert_alike(generation.answers[1], generation.answers[3])


def test_fewer_alternatives_or_none_on_request(engine: LocalEngine) -> None:
    questions = each(BOTH_WRISTS)
    many, few, none = (engine.generate(ask(questions=questions, top_k=count)) for count in (20, 3, 0))
    for full, short, bare in zip(many.answers, few.answers, none.answers, strict=True):
        assert full.tokens == short.tokens == bare.tokens
        assert {len(found.bins) for found in short.top_k if found} == {3}
        assert [found and found.bins[:3] for found in full.top_k] == [found and found.bins for found in short.top_k]
        assert set(bare.top_k) == {None}


@pytest.mark.parametrize(("answer_format", "steps"), [("no box", 5), ("official", 9), ("separated", 9)])
def test_all_joints_take_as_many_passes_as_one(engine: LocalEngine, answer_format: str, steps: int) -> None:
    for joints in (("head",), BOTH_WRISTS, JOINTS):
        generation = engine.generate(ask(questions=each(joints, ANSWER_FORMATS[answer_format])))
        assert generation.steps == steps
        assert 0 < generation.timings_ms["prefill"] < generation.timings_ms["total"]


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize(("answer_format", "box"), [("no box", 0), ("official", 4), ("separated", 4)])
def test_one_question_takes_a_pass_for_each_coordinate(
    engine: LocalEngine, answer_format: str, box: int, count: int
) -> None:
    generation = engine.generate(
        ask(JOINTS[:count], grammar=named_grammar(JOINTS[:count], ANSWER_FORMATS[answer_format]))
    )
    assert generation.steps == 5 * count + box


def test_what_is_decoded_token_by_token_takes_a_pass_for_each(engine: LocalEngine) -> None:
    generation = engine.generate(ask(jump_forward=False))
    assert generation.steps == len(generation.answers[0].tokens) + 1, "the end token takes one, too"


@pytest.mark.parametrize("jump_forward", [True, False])
@pytest.mark.parametrize("max_tokens", [1, 7, 23])
def test_an_answer_that_is_too_long_is_cut_off_as_ever(
    engine: LocalEngine, max_tokens: int, jump_forward: bool
) -> None:
    whole = answer(engine, ask())
    found = answer(engine, ask(max_tokens=max_tokens, jump_forward=jump_forward))
    assert found.finish_reason == "length"
    assert found.tokens == whole.tokens[:max_tokens]
    assert len(found.top_k) == max_tokens


@pytest.mark.parametrize("max_tokens", [24, 25])
def test_the_end_token_needs_room_in_either_way(engine: LocalEngine, max_tokens: int) -> None:
    found = [answer(engine, ask(max_tokens=max_tokens, jump_forward=skip)) for skip in (True, False)]
    assert_alike(*found)
    assert len(found[0].tokens) == 24
    assert found[0].finish_reason == ("length" if max_tokens == 24 else "stop")


def test_one_answer_that_is_too_long_does_not_shorten_the_others(engine: LocalEngine) -> None:
    head, both = about("head"), ask().questions[0]
    request = ask(questions=(head, both, head), max_tokens=20)
    generation = engine.generate(request)
    assert [one.finish_reason for one in generation.answers] == ["stop", "length", "stop"]
    assert_same(generation, alone(engine, request))


def words(engine: LocalEngine, left: int) -> Prompt:
    """Write a message that leaves so many tokens for the answer."""
    taken = engine.visual_tokens(ask()) - 1
    for count in range(engine._max_length, 0, -1):
        prompt = Prompt("", "!" * count)
        length = taken + len(engine.vocabulary.prompt_ids(prompt))
        if length == engine._max_length - left:
            return prompt
    raise AssertionError("no such message")


@pytest.mark.parametrize("left", [1, 5, 17, 18])
def test_an_answer_for_which_the_model_has_no_room_is_cut_off(vllm_engine: LocalEngine, left: int) -> None:
    head = named_grammar(("head",), AnswerFormat())
    long, short = Question(words(vllm_engine, left), head), Question(Prompt("", "head"), head)
    request = ask(questions=(short, long, short))
    generation = vllm_engine.generate(request)
    assert [len(one.tokens) for one in generation.answers] == [17, min(left, 17), 17]
    assert generation.answers[1].finish_reason == ("stop" if left == 18 else "length")
    assert_same(generation, alone(vllm_engine, request))


MIXED = {
    "other system prompts": (about("head"), about("left_wrist", system="Look closely."), about("neck")),
    "a free choice among them": (
        about("head"),
        Question(Prompt(SPEC.system_prompt, "hug me"), free_grammar(AnswerFormat())),
        about("neck"),
    ),
    "an unconstrained answer among them": (
        about("head"),
        Question(make_prompt(joint_command(("neck",)), SPEC)),
        about("neck"),
    ),
    "other styles": (
        about("head"),
        about("head", ANSWER_FORMATS["separated"]),
        about("left_wrist", ANSWER_FORMATS["no box"]),
    ),
    "one joint and several": (about("head"), ask().questions[0], about("right_wrist")),
    "messages that share nothing": tuple(
        Question(Prompt(SPEC.system_prompt, text), NAMED) for text in ("wrists?", "Where?", "", "x y z " * 50)
    ),
    "a message that another one begins with": tuple(
        Question(Prompt(SPEC.system_prompt, text), NAMED) for text in ("both wrists", "both wrists, please", "both")
    ),
    "the same question twice": (about("head"), about("head")),
}


@pytest.mark.parametrize("name", MIXED)
def test_whatever_is_asked_together_is_answered_as_each_alone(engine: LocalEngine, name: str) -> None:
    request = ask(questions=MIXED[name], max_tokens=80)
    assert_same(engine.generate(request), alone(engine, request))


@pytest.mark.parametrize("name", ["other system prompts", "a free choice among them"])
def test_questions_that_cannot_stand_side_by_side_are_answered_in_turn(engine: LocalEngine, name: str) -> None:
    request = ask(questions=MIXED[name], max_tokens=400)
    generation = engine.generate(request)
    parts = [engine.generate(dataclasses.replace(request, questions=(one,), jump_forward=False)) for one in MIXED[name]]
    assert generation.steps == sum(part.steps for part in parts)
    assert 0 < generation.timings_ms["prefill"] < generation.timings_ms["total"]


@pytest.mark.parametrize("count", [0, MAX_QUESTIONS + 1])
def test_no_question_and_too_many_are_refused(engine: LocalEngine, count: int) -> None:
    request = dataclasses.replace(ask(), questions=(about("head"),) * count)
    with pytest.raises(GenerationFailedError, match=f"{count} questions were asked: ask 1 to 22"):
        engine.generate(request)
    assert answer(engine, ask()).finish_reason == "stop"


def test_one_endless_prompt_among_others_is_refused(engine: LocalEngine) -> None:
    endless = Question(Prompt(SPEC.system_prompt, "x y z " * 20_000), NAMED)
    with pytest.raises(GenerationFailedError, match="say it shorter"):
        engine.generate(ask(questions=(about("head"), endless)))


@pytest.mark.parametrize("decoding", ["per_joint", "jump_forward", "plain"])
def test_the_estimators_questions_are_answered(engine: LocalEngine, decoding: str) -> None:
    assert engine.info.batched
    batch = make_prompt_batch(joint_command(JOINTS), engine.info, decoding)  # type: ignore[arg-type]
    request = dataclasses.replace(
        ask(questions=batch.questions, max_tokens=batch.max_tokens), jump_forward=batch.jump_forward
    )
    found = batch.parse(engine.generate(request).answers)
    assert [joint.joint for joint in found.joints] == list(JOINTS)
    assert {joint.outcome for joint in found.joints} == {Outcome.ANSWERED}
    assert len(batch.questions) == (22 if decoding == "per_joint" else 1)

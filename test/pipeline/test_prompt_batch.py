"""A command as questions, and several answers as one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import SPEC, answer_tokens, info

from taihri_ros.commands.command import Command, joint_command
from taihri_ros.inference.engine import RawAnswer, TopK
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import Text, free_grammar, named_grammar
from taihri_ros.model.parser import Answer, CoordinateToken, MalformedAnswerError, Outcome, merge_answers, parse
from taihri_ros.model.prompts import make_prompt
from taihri_ros.model.quantization import coordinate_token
from taihri_ros.model.spec import ModelSpec
from taihri_ros.pipeline.prompt_batch import Decoding, PromptBatch, ask, raw_text
from taihri_ros.skeleton import JOINTS

TWO = joint_command(["left_wrist", "head"])
PER_JOINT, IN_TURN = info(), replace(info(), batched=False)
BOX = (100, 110, 800, 810)


def raw(
    pixels: dict[str, Any], points: dict[str, Any], box: tuple[int, ...] | None = None, **changes: Any
) -> RawAnswer:
    tokens = answer_tokens(pixels, points, box)
    return replace(RawAnswer(tokens=tokens, top_k=(None,) * len(tokens), finish_reason="stop"), **changes)


def about(joint: str, first: int, box: tuple[int, ...] | None = None, **changes: Any) -> RawAnswer:
    """Answer for one joint with five bins that follow each other."""
    return raw({joint: range(first, first + 2)}, {joint: range(first + 2, first + 5)}, box, **changes)


def users(asked: PromptBatch) -> list[str]:
    return [question.prompt.user for question in asked.questions]


def test_side_by_side_there_is_a_question_for_each_joint() -> None:
    asked = ask(TWO, PER_JOINT, "per_joint")
    assert asked.joints == (("head",), ("left_wrist",))
    assert [user.rpartition("person: ")[2] for user in users(asked)] == ["head?", "left_wrist?"]
    assert [question.grammar for question in asked.questions] == [
        named_grammar((joint,), AnswerFormat()) for joint in ("head", "left_wrist")
    ]
    assert len({question.prompt.system for question in asked.questions}) == 1, "engines share what questions begin with"
    assert asked.jump_forward


def test_all_joints_can_be_asked_side_by_side() -> None:
    asked = ask(joint_command(JOINTS), PER_JOINT, "per_joint")
    assert asked.joints == tuple((joint,) for joint in JOINTS)
    assert len(set(asked.questions)) == len(JOINTS)
    assert asked.max_tokens == ask(joint_command(["head"]), PER_JOINT, "per_joint").max_tokens


@pytest.mark.parametrize(
    ("engine", "decoding", "jump_forward"),
    [
        (PER_JOINT, "jump_forward", True),
        (PER_JOINT, "plain", False),
        (IN_TURN, "per_joint", True),
        (IN_TURN, "jump_forward", True),
        (IN_TURN, "plain", False),
    ],
)
def test_else_one_question_names_all_joints(engine: Any, decoding: Decoding, jump_forward: bool) -> None:
    asked = ask(TWO, engine, decoding)
    (question,) = asked.questions
    assert asked.joints == (("head", "left_wrist"),)
    assert question.prompt == make_prompt(TWO, SPEC)
    assert question.grammar == named_grammar(("head", "left_wrist"), AnswerFormat())
    assert asked.jump_forward == jump_forward


@pytest.mark.parametrize("engine", [PER_JOINT, IN_TURN])
@pytest.mark.parametrize("decoding", ["per_joint", "jump_forward", "plain"])
def test_free_words_are_one_question(engine: Any, decoding: Decoding) -> None:
    asked = ask(Command("hug me"), engine, decoding)
    (question,) = asked.questions
    assert question.prompt.user == "hug me"
    assert question.grammar == free_grammar(AnswerFormat())
    assert asked.joints == ((),)


def test_joints_that_a_free_command_stands_for_are_asked_by_name() -> None:
    asked = ask(Command("hug me", ("neck", "head")), PER_JOINT, "per_joint")
    assert users(asked) == users(ask(joint_command(["neck", "head"]), PER_JOINT, "per_joint"))
    assert users(ask(Command("hug me", ("neck", "head")), PER_JOINT, "jump_forward")) == [
        make_prompt(joint_command(["neck", "head"]), SPEC).user
    ]


@pytest.mark.parametrize("decoding", ["per_joint", "jump_forward", "plain"])
@pytest.mark.parametrize(
    "answer_format", [AnswerFormat(), AnswerFormat(box=False), AnswerFormat(joint="text", between_coordinates=", ")]
)
def test_there_is_room_for_the_longest_answer(answer_format: AnswerFormat, decoding: Decoding) -> None:
    """One token a character is the worst that a tokenizer does to a text that is no special token."""
    asked = ask(TWO, info(replace(SPEC, answer=answer_format)), decoding)
    for question in asked.questions:
        assert question.grammar is not None
        if answer_format.joint == "token":
            needed = len(question.grammar)
        else:
            needed = sum(
                len(element.text) if isinstance(element, Text) and not element.text.startswith("<|") else 1
                for element in question.grammar
            )
        assert needed < asked.max_tokens, "the end token needs room, too"


def test_the_spelling_of_the_checkpoint_is_asked_for() -> None:
    answer_format = AnswerFormat(box=False, joint="text", after_joint=" ")
    spec = replace(SPEC, answer=answer_format, named_prompt="Where is {joints}?", system_prompt="Look.")
    asked = ask(TWO, info(spec), "per_joint")
    assert users(asked) == ["Where is head?", "Where is left_wrist?"]
    assert {question.prompt.system for question in asked.questions} == {"Look."}
    assert asked.questions[1].grammar == named_grammar(("left_wrist",), answer_format)
    assert ask(TWO, info(replace(SPEC, answer=None)), "plain").questions[0].grammar == named_grammar(
        ("head", "left_wrist"), AnswerFormat()
    )


def test_another_checkpoint_or_command_is_asked_anew() -> None:
    """What is asked is remembered; the memory must not give one for another."""
    other = ModelSpec(name="other", named_prompt="Find {joints}.", answer=AnswerFormat(box=False))
    for _ in range(2):
        assert users(ask(TWO, info(other), "jump_forward")) == ["Find head, left_wrist."]
        assert users(ask(TWO, info(), "jump_forward")) == [make_prompt(TWO, SPEC).user]
        assert len(ask(TWO, info(), "per_joint").questions) == 2
        assert len(ask(TWO, IN_TURN, "per_joint").questions) == 1
        assert ask(TWO, info(), "plain").jump_forward is False


def test_coordinates_are_counted_through_all_answers() -> None:
    head, wrist = about("head", 10, BOX), about("left_wrist", 20, BOX)
    answer = ask(TWO, PER_JOINT, "per_joint").read([head, wrist])
    tokens = (*head.tokens, *wrist.tokens)
    assert [joint.joint for joint in answer.joints] == ["head", "left_wrist"]
    for joint, first in zip(answer.joints, (10, 20), strict=True):
        coordinates = (*joint.pixel, *joint.point)
        assert joint.outcome is Outcome.ANSWERED
        assert [coordinate.bin for coordinate in coordinates] == list(range(first, first + 5))
        for coordinate in coordinates:
            assert tokens[coordinate.token] == coordinate_token(coordinate.bin)
    assert answer.joints[1].pixel[0].token > len(head.tokens)


@given(st.permutations(JOINTS).flatmap(lambda names: st.integers(1, 22).map(lambda count: names[:count])))
def test_any_joints_are_read_in_the_skeletons_order(names: list[str]) -> None:
    command = joint_command(names)
    asked = ask(command, PER_JOINT, "per_joint")
    answers = [about(joint, 10 * JOINTS.index(joint)) for (joint,) in asked.joints]
    answer = asked.read(answers)
    assert [joint.joint for joint in answer.joints] == [joint for joint in JOINTS if joint in names]
    assert [joint.pixel[0].bin // 10 for joint in answer.joints] == sorted(map(JOINTS.index, names))


def test_the_first_box_is_the_persons() -> None:
    asked = ask(TWO, PER_JOINT, "per_joint")
    other = (1, 2, 3, 4)
    box = asked.read([about("head", 10, BOX), about("left_wrist", 20, other)]).box
    assert box is not None
    assert tuple(coordinate.bin for coordinate in box) == BOX
    assert [coordinate.token for coordinate in box] == [1, 2, 3, 4]


def test_a_box_that_only_a_later_answer_has_is_taken() -> None:
    asked = ask(TWO, PER_JOINT, "per_joint")
    head = about("head", 10, (0, 0, 0, 1000))
    wrist = about("left_wrist", 20, BOX)
    box = asked.read([head, wrist]).box
    assert box is not None
    assert tuple(coordinate.bin for coordinate in box) == BOX
    assert box[0].token == len(head.tokens) + 1
    assert asked.read([about("head", 10), about("left_wrist", 20)]).box is None


@pytest.mark.parametrize("place", [0, 1])
def test_one_answer_that_is_cut_off_makes_all_malformed(place: int) -> None:
    asked = ask(TWO, PER_JOINT, "per_joint")
    answers = [about("head", 10), about("left_wrist", 20)]
    asked.read(answers)
    answers[place] = replace(answers[place], finish_reason="length")
    with pytest.raises(MalformedAnswerError, match="cut off before its end") as refused:
        asked.read(answers)
    assert refused.value.raw == raw_text(answers) == f"{answers[0].text}\n{answers[1].text}"


@pytest.mark.parametrize("place", [0, 1])
def test_one_answer_that_is_nonsense_makes_all_malformed(place: int) -> None:
    asked = ask(TWO, PER_JOINT, "per_joint")
    answers = [about("head", 10), about("left_wrist", 20)]
    answers[place] = RawAnswer(tokens=("I", " see"), top_k=(None, None), finish_reason="stop")
    with pytest.raises(MalformedAnswerError, match="'I' stands"):
        asked.read(answers)


def test_what_an_answer_lacks_is_told_for_its_joint_alone() -> None:
    asked = ask(joint_command(["left_wrist", "head", "neck"]), PER_JOINT, "per_joint")
    empty = raw({}, {})
    far = raw({"head": (1, 2)}, {"head": (3, 4, 1000)})
    outcomes = {joint.joint: joint.outcome for joint in asked.read([empty, far, about("left_wrist", 20)]).joints}
    assert outcomes == {
        "neck": Outcome.NOT_ANSWERED,
        "head": Outcome.OUT_OF_RANGE,
        "left_wrist": Outcome.ANSWERED,
    }


def test_free_words_are_read_as_the_model_chose() -> None:
    answer = ask(Command("hug me"), PER_JOINT, "per_joint").read([about("head", 10)])
    assert [(joint.joint, joint.outcome) for joint in answer.joints] == [("head", Outcome.ANSWERED)]
    assert ask(Command("hug me"), PER_JOINT, "per_joint").read([raw({}, {})]).joints == ()


def test_one_answer_for_several_joints_is_read_as_before() -> None:
    one = raw({"head": (1, 2), "left_wrist": (3, 4)}, {"head": (5, 6, 7), "left_wrist": (8, 9, 10)}, BOX)
    assert ask(TWO, PER_JOINT, "jump_forward").read([one]) == parse(one.tokens, TWO.joints)


@given(st.integers(0, 500), st.sampled_from([None, BOX]))
def test_the_first_token_shifts_every_place(first: int, box: tuple[int, ...] | None) -> None:
    tokens = about("head", 10, box).tokens
    plain, shifted = parse(tokens, ["head"]), parse(tokens, ["head"], first_token=first)

    def moved(coordinates: tuple[CoordinateToken, ...]) -> tuple[CoordinateToken, ...]:
        return tuple(CoordinateToken(one.bin, one.token + first) for one in coordinates)

    (joint,) = plain.joints
    assert shifted == Answer(
        box=None if plain.box is None else moved(plain.box),
        joints=(joint._replace(pixel=moved(joint.pixel), point=moved(joint.point)),),
    )


def test_joined_sorts_joints_and_takes_the_first_box() -> None:
    head, wrist = (parse(about(joint, 10, box).tokens, [joint]) for joint, box in (("head", None), ("left_wrist", BOX)))
    together = merge_answers([wrist, head])
    assert together.joints == (*head.joints, *wrist.joints)
    assert together.box == wrist.box
    assert merge_answers([head]) == head


def test_the_text_of_an_answer_is_that_of_its_tokens() -> None:
    answer = RawAnswer(tokens=("a", "<1>", "b"), top_k=(None, TopK((1,), (0.0,)), None), finish_reason="stop")
    assert answer.text == "a<1>b"
    assert raw_text([answer]) == "a<1>b"
    assert raw_text([answer, replace(answer, tokens=("c",))]) == "a<1>b\nc"

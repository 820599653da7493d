"""Commands are converted to prompt batches, and the answers to a batch are parsed into one answer."""

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
from taihri_ros.model.lexer import BLOCKS
from taihri_ros.model.parser import Answer, CoordinateToken, MalformedAnswerError, Outcome, merge_answers, parse
from taihri_ros.model.prompts import make_prompt
from taihri_ros.model.quantization import coordinate_token
from taihri_ros.model.spec import Belief, ModelSpec
from taihri_ros.pipeline.prompt_batch import Decoding, PromptBatch, make_prompt_batch, raw_text
from taihri_ros.skeleton import JOINTS

TWO = joint_command(["left_wrist", "head"])
BATCHED, UNBATCHED = info(), replace(info(), batched=False)
BOX = (100, 110, 800, 810)


def raw(
    pixels: dict[str, Any], points: dict[str, Any], box: tuple[int, ...] | None = None, **changes: Any
) -> RawAnswer:
    tokens = answer_tokens(pixels, points, box)
    return replace(RawAnswer(tokens=tokens, top_k=(None,) * len(tokens), finish_reason="stop"), **changes)


def about(joint: str, first: int, box: tuple[int, ...] | None = None, **changes: Any) -> RawAnswer:
    """Return an answer for one joint with five consecutive bins."""
    return raw({joint: range(first, first + 2)}, {joint: range(first + 2, first + 5)}, box, **changes)


def user_prompts(batch: PromptBatch) -> list[str]:
    return [question.prompt.user for question in batch.questions]


def test_per_joint_decoding_has_one_prompt_per_joint() -> None:
    batch = make_prompt_batch(TWO, BATCHED, "per_joint")
    assert batch.joints == (("head",), ("left_wrist",))
    assert [user.rpartition("person: ")[2] for user in user_prompts(batch)] == ["head?", "left_wrist?"]
    assert [question.grammar for question in batch.questions] == [
        named_grammar((joint,), AnswerFormat()) for joint in ("head", "left_wrist")
    ]
    assert len({question.prompt.system for question in batch.questions}) == 1, "engines can reuse the prefix"
    assert batch.jump_forward


def test_all_joints_can_be_decoded_per_joint() -> None:
    batch = make_prompt_batch(joint_command(JOINTS), BATCHED, "per_joint")
    assert batch.joints == tuple((joint,) for joint in JOINTS)
    assert len(set(batch.questions)) == len(JOINTS)
    assert batch.max_tokens == make_prompt_batch(joint_command(["right_shoulder"]), BATCHED, "per_joint").max_tokens


@pytest.mark.parametrize(
    ("engine", "decoding", "jump_forward"),
    [
        (BATCHED, "jump_forward", True),
        (BATCHED, "plain", False),
        (UNBATCHED, "per_joint", True),
        (UNBATCHED, "jump_forward", True),
        (UNBATCHED, "plain", False),
    ],
)
def test_other_decoding_modes_and_unbatched_engines_have_one_prompt_for_all_joints(
    engine: Any, decoding: Decoding, jump_forward: bool
) -> None:
    batch = make_prompt_batch(TWO, engine, decoding)
    (question,) = batch.questions
    assert batch.joints == (("head", "left_wrist"),)
    assert question.prompt == make_prompt(TWO, SPEC)
    assert question.grammar == named_grammar(("head", "left_wrist"), AnswerFormat())
    assert batch.jump_forward == jump_forward


@pytest.mark.parametrize("engine", [BATCHED, UNBATCHED])
@pytest.mark.parametrize("decoding", ["per_joint", "jump_forward", "plain"])
def test_a_free_command_has_one_prompt(engine: Any, decoding: Decoding) -> None:
    batch = make_prompt_batch(Command("hug me"), engine, decoding)
    (question,) = batch.questions
    assert question.prompt.user == "hug me"
    assert question.grammar == free_grammar(AnswerFormat())
    assert batch.joints == ((),)


def test_known_joints_of_a_free_command_are_requested_by_name() -> None:
    batch = make_prompt_batch(Command("hug me", ("neck", "head")), BATCHED, "per_joint")
    assert user_prompts(batch) == user_prompts(make_prompt_batch(joint_command(["neck", "head"]), BATCHED, "per_joint"))
    assert user_prompts(make_prompt_batch(Command("hug me", ("neck", "head")), BATCHED, "jump_forward")) == [
        make_prompt(joint_command(["neck", "head"]), SPEC).user
    ]


@pytest.mark.parametrize("decoding", ["per_joint", "jump_forward", "plain"])
@pytest.mark.parametrize(
    "answer_format", [AnswerFormat(), AnswerFormat(box=False), AnswerFormat(joint="text", between_coordinates=", ")]
)
def test_max_tokens_fits_the_longest_answer(answer_format: AnswerFormat, decoding: Decoding) -> None:
    """Assume the worst case: one token per character of a text."""
    batch = make_prompt_batch(TWO, info(replace(SPEC, answer=answer_format)), decoding)
    for question in batch.questions:
        assert question.grammar is not None
        needed = sum(len(element.text) if isinstance(element, Text) else 1 for element in question.grammar)
        assert needed < batch.max_tokens, "the end token is counted, too"


def test_prompts_and_grammars_use_the_answer_format_of_the_checkpoint() -> None:
    answer_format = AnswerFormat(box=False, joint="text", after_joint=" ")
    spec = replace(SPEC, answer=answer_format, named_prompt="Where is {joints}?", system_prompt="Look.")
    batch = make_prompt_batch(TWO, info(spec), "per_joint")
    assert user_prompts(batch) == ["Where is head?", "Where is left_wrist?"]
    assert {question.prompt.system for question in batch.questions} == {"Look."}
    assert batch.questions[1].grammar == named_grammar(("left_wrist",), answer_format)
    assert make_prompt_batch(TWO, info(replace(SPEC, answer=None)), "plain").questions[0].grammar == named_grammar(
        ("head", "left_wrist"), AnswerFormat()
    )


def test_cached_batches_depend_on_checkpoint_engine_and_decoding() -> None:
    """The cache must distinguish prompt batches of different checkpoints, engines and decodings."""
    other = ModelSpec(name="other", named_prompt="Find {joints}.", answer=AnswerFormat(box=False))
    for _ in range(2):
        assert user_prompts(make_prompt_batch(TWO, info(other), "jump_forward")) == ["Find head, left_wrist."]
        assert user_prompts(make_prompt_batch(TWO, info(), "jump_forward")) == [make_prompt(TWO, SPEC).user]
        assert len(make_prompt_batch(TWO, info(), "per_joint").questions) == 2
        assert len(make_prompt_batch(TWO, UNBATCHED, "per_joint").questions) == 1
        assert make_prompt_batch(TWO, info(), "plain").jump_forward is False


def test_token_indices_count_through_all_answers() -> None:
    head, wrist = about("head", 10, BOX), about("left_wrist", 20, BOX)
    answer = make_prompt_batch(TWO, BATCHED, "per_joint").parse([head, wrist])
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
def test_joints_are_parsed_in_the_order_of_the_skeleton(names: list[str]) -> None:
    command = joint_command(names)
    batch = make_prompt_batch(command, BATCHED, "per_joint")
    answers = [about(joint, 10 * JOINTS.index(joint)) for (joint,) in batch.joints]
    answer = batch.parse(answers)
    assert [joint.joint for joint in answer.joints] == [joint for joint in JOINTS if joint in names]
    assert [joint.pixel[0].bin // 10 for joint in answer.joints] == sorted(map(JOINTS.index, names))


def test_the_box_of_the_first_answer_is_used() -> None:
    batch = make_prompt_batch(TWO, BATCHED, "per_joint")
    other = (1, 2, 3, 4)
    box = batch.parse([about("head", 10, BOX), about("left_wrist", 20, other)]).box
    assert box is not None
    assert tuple(coordinate.bin for coordinate in box) == BOX
    assert [coordinate.token for coordinate in box] == [1, 2, 3, 4]


def test_the_box_of_a_later_answer_is_used_if_the_first_has_none() -> None:
    batch = make_prompt_batch(TWO, BATCHED, "per_joint")
    head = about("head", 10, (0, 0, 0, 1000))
    wrist = about("left_wrist", 20, BOX)
    box = batch.parse([head, wrist]).box
    assert box is not None
    assert tuple(coordinate.bin for coordinate in box) == BOX
    assert box[0].token == len(head.tokens) + 1
    assert batch.parse([about("head", 10), about("left_wrist", 20)]).box is None


@pytest.mark.parametrize("place", [0, 1])
def test_one_cut_off_answer_makes_the_batch_malformed(place: int) -> None:
    batch = make_prompt_batch(TWO, BATCHED, "per_joint")
    answers = [about("head", 10), about("left_wrist", 20)]
    batch.parse(answers)
    answers[place] = replace(answers[place], finish_reason="length")
    with pytest.raises(MalformedAnswerError, match="cut off before its end") as error:
        batch.parse(answers)
    assert error.value.raw == raw_text(answers) == f"{answers[0].text}\n{answers[1].text}"


@pytest.mark.parametrize("place", [0, 1])
def test_one_answer_outside_the_format_makes_the_batch_malformed(place: int) -> None:
    batch = make_prompt_batch(TWO, BATCHED, "per_joint")
    answers = [about("head", 10), about("left_wrist", 20)]
    answers[place] = RawAnswer(tokens=("I", " see"), top_k=(None, None), finish_reason="stop")
    with pytest.raises(MalformedAnswerError, match="'I' at token"):
        batch.parse(answers)


def test_each_joint_has_the_outcome_of_its_own_answer() -> None:
    batch = make_prompt_batch(joint_command(["left_wrist", "head", "neck"]), BATCHED, "per_joint")
    empty = raw({}, {})
    far = raw({"head": (1, 2)}, {"head": (3, 4, 1000)})
    outcomes = {joint.joint: joint.outcome for joint in batch.parse([empty, far, about("left_wrist", 20)]).joints}
    assert outcomes == {
        "neck": Outcome.NOT_ANSWERED,
        "head": Outcome.OUT_OF_RANGE,
        "left_wrist": Outcome.ANSWERED,
    }


def test_the_answer_to_a_free_command_has_the_joints_that_the_model_selected() -> None:
    answer = make_prompt_batch(Command("hug me"), BATCHED, "per_joint").parse([about("head", 10)])
    assert [(joint.joint, joint.outcome) for joint in answer.joints] == [("head", Outcome.ANSWERED)]
    assert make_prompt_batch(Command("hug me"), BATCHED, "per_joint").parse([raw({}, {})]).joints == ()


def test_a_single_answer_for_several_joints_is_parsed() -> None:
    one = raw({"head": (1, 2), "left_wrist": (3, 4)}, {"head": (5, 6, 7), "left_wrist": (8, 9, 10)}, BOX)
    assert make_prompt_batch(TWO, BATCHED, "jump_forward").parse([one]) == parse(one.tokens, TWO.joints)


@given(st.integers(0, 500), st.sampled_from([None, BOX]))
def test_first_token_shifts_every_token_index(first: int, box: tuple[int, ...] | None) -> None:
    tokens = about("head", 10, box).tokens
    plain, shifted = parse(tokens, ["head"]), parse(tokens, ["head"], first_token=first)

    def moved(coordinates: tuple[CoordinateToken, ...]) -> tuple[CoordinateToken, ...]:
        return tuple(CoordinateToken(one.bin, one.token + first) for one in coordinates)

    (joint,) = plain.joints
    assert shifted == Answer(
        box=None if plain.box is None else moved(plain.box),
        joints=(joint._replace(pixel=moved(joint.pixel), point=moved(joint.point)),),
    )


def test_merge_answers_sorts_joints_and_takes_the_first_box() -> None:
    head, wrist = (parse(about(joint, 10, box).tokens, [joint]) for joint, box in (("head", None), ("left_wrist", BOX)))
    together = merge_answers([wrist, head])
    assert together.joints == (*head.joints, *wrist.joints)
    assert together.box == wrist.box
    assert merge_answers([head]) == head


def test_the_text_of_an_answer_joins_its_tokens() -> None:
    answer = RawAnswer(tokens=("a", "<1>", "b"), top_k=(None, TopK((1,), (0.0,)), None), finish_reason="stop")
    assert answer.text == "a<1>b"
    assert raw_text([answer]) == "a<1>b"
    assert raw_text([answer, replace(answer, tokens=("c",))]) == "a<1>b\nc"


def test_unconstrained_answers_come_from_one_prompt_and_have_room_for_text() -> None:
    described = info(SPEC).as_unconstrained("text", has_probabilities=False)
    batch = make_prompt_batch(TWO, described, "per_joint")
    assert len(batch.questions) == 1, "the answers to several prompts may be about different people"
    text = "".join(f"<|{joint}|>" + ", <999>" * count for joint in TWO.joints for count in (2, 3)) + ", <999>" * 4
    assert batch.max_tokens > len(text) + len("".join(token for block in BLOCKS.values() for token in block))
    assert described.spec.belief == Belief(0.0, 0.0), "without probabilities no joint could pass a threshold"
    assert info(SPEC).as_unconstrained("JSON", has_probabilities=True).spec == SPEC

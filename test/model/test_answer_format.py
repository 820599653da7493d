"""The answer format is inferred from an answer in this format."""

from __future__ import annotations

import pytest
from answers import answer_formats, cut_anywhere, gaps, sentences
from hypothesis import given
from hypothesis import strategies as st

from taihri_ros.errors import TaihriError
from taihri_ros.model.answer_format import AnswerFormat, infer_answer_format
from taihri_ros.model.grammar import free_grammar, named_grammar
from taihri_ros.skeleton import JOINTS

two_joints = st.lists(st.sampled_from(JOINTS), min_size=2, unique=True).filter(
    lambda joints: all("_" in joint for joint in joints)  # "head" is both a name and a word
)


@given(st.data(), answer_formats, two_joints)
def test_the_format_is_inferred_from_an_answer_in_it(
    data: st.DataObject, answer_format: AnswerFormat, joints: list[str]
) -> None:
    tokens = data.draw(sentences(named_grammar(joints, answer_format)))
    assert infer_answer_format(tokens) == answer_format
    assert infer_answer_format((*tokens, "<|im_end|>")) == answer_format
    assert infer_answer_format(data.draw(cut_anywhere("".join(tokens)))) == answer_format


@given(st.data(), answer_formats, gaps, gaps)
def test_white_space_inside_the_blocks_is_ignored(
    data: st.DataObject, answer_format: AnswerFormat, before: str, after: str
) -> None:
    text = "".join(data.draw(sentences(named_grammar(("left_hip", "left_wrist"), answer_format))))
    text = text.replace("_start|>", "_start|>" + before).replace("<|kpt2d_end|>", after + "<|kpt2d_end|>")
    assert infer_answer_format((text,)) == answer_format


def test_the_most_frequent_separators_are_inferred() -> None:
    text = (
        "<|kpt2d_start|><|head|> <1>, <2>, <|neck|> <3>, <4>,<|pelvis|><5> <6><|kpt2d_end|>"
        "<|kpt3d_start|><|head|> <1>, <2>, <3>, <neck><|kpt3d_end|>"
    )
    assert infer_answer_format((text,)) == AnswerFormat(False, "token", " ", ", ", ", ", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I see a person.",
        "<|head|><|neck|>",
        "<1><2><3>",
        "<|head|><1>",
        "<|box_start|><1><2><3><4><|box_end|> <|head|>",
        "<|head|>:: <1><2>",
        "<|head|>. <1><2>",
        "<1>: <2>",
        "<|kpt2d_start|><|kpt2d_end|><|kpt3d_start|><|kpt3d_end|>",
    ],
)
def test_no_format_is_inferred_without_an_answered_joint(text: str) -> None:
    assert infer_answer_format((text,)) is None
    assert infer_answer_format(tuple(text)) is None


@given(st.lists(st.text(max_size=6)).map(tuple))
def test_inference_never_raises(tokens: tuple[str, ...]) -> None:
    assert infer_answer_format(tokens) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"joint": "word"},
        {"box": 1},
        {"label": "a<b"},
        {"label": "person", "box": False},
        {"after_joint": "::"},
        {"between_joints": " and "},
        {"between_blocks": None},
    ],
)
def test_a_format_that_the_parser_would_refuse_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(TaihriError, match=f"^{next(iter(wrong))} (must|may contain)"):
        AnswerFormat(**wrong)  # type: ignore[arg-type]


def test_joint_text_follows_the_format() -> None:
    assert AnswerFormat().joint_text("head") == "<|head|>"
    assert AnswerFormat(joint="text").joint_text("left_hip") == "<left_hip>"
    assert AnswerFormat(joint="name").joint_text("left_hip") == "left_hip"
    assert AnswerFormat(joint="words").joint_text("left_hip") == "left hip"
    assert free_grammar(AnswerFormat()) != free_grammar(AnswerFormat(joint="text"))

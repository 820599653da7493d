"""A style is recovered from answers that are written in it."""

from __future__ import annotations

import pytest
from answers import cut_anywhere, gaps, sentences, styles
from hypothesis import given
from hypothesis import strategies as st

from taihri_ros.errors import TaihriError
from taihri_ros.model.grammar import free_grammar, named_grammar
from taihri_ros.model.answer_format import AnswerStyle, learn_style
from taihri_ros.skeleton import JOINTS

two_joints = st.lists(st.sampled_from(JOINTS), min_size=2, unique=True)


@given(st.data(), styles, two_joints)
def test_a_style_is_learned_from_an_answer_in_it(data: st.DataObject, style: AnswerStyle, joints: list[str]) -> None:
    tokens = data.draw(sentences(named_grammar(joints, style)))
    assert learn_style(tokens) == style
    assert learn_style((*tokens, "<|im_end|>")) == style
    assert learn_style(data.draw(cut_anywhere("".join(tokens)))) == style


@given(st.data(), styles, gaps, gaps)
def test_white_space_inside_the_blocks_does_not_confuse(
    data: st.DataObject, style: AnswerStyle, before: str, after: str
) -> None:
    text = "".join(data.draw(sentences(named_grammar(("head", "left_wrist"), style))))
    text = text.replace("_start|>", "_start|>" + before).replace("<|kpt2d_end|>", after + "<|kpt2d_end|>")
    assert learn_style((text,)) == style


def test_the_spelling_of_most_of_the_answer_counts() -> None:
    text = (
        "<|kpt2d_start|><|head|> <1>, <2>, <|neck|> <3>, <4>,<|pelvis|><5> <6><|kpt2d_end|>"
        "<|kpt3d_start|><|head|> <1>, <2>, <3>, <neck><|kpt3d_end|>"
    )
    assert learn_style((text,)) == AnswerStyle(False, "token", " ", ", ", ", ", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I see a person.",
        "<|head|><|neck|>",
        "<1><2><3>",
        "<|head|><1>",
        "<|box_start|><1><2><3><4><|box_end|> <|head|>",
        "<|head|>: <1><2>",
        "<|kpt2d_start|><|kpt2d_end|><|kpt3d_start|><|kpt3d_end|>",
    ],
)
def test_garbage_teaches_nothing(text: str) -> None:
    assert learn_style((text,)) is None
    assert learn_style(tuple(text)) is None


@given(st.lists(st.text(max_size=6)).map(tuple))
def test_learning_never_fails(tokens: tuple[str, ...]) -> None:
    assert learn_style(tokens) is None


@pytest.mark.parametrize(
    "wrong",
    [{"joint": "word"}, {"box": 1}, {"after_joint": ": "}, {"between_joints": " and "}, {"between_blocks": None}],
)
def test_a_style_that_the_parser_would_refuse_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(TaihriError, match=f"answer.{next(iter(wrong))} must"):
        AnswerStyle(**wrong)  # type: ignore[arg-type]


def test_spelling() -> None:
    assert AnswerStyle().spell("head") == "<|head|>"
    assert AnswerStyle(joint="text").spell("head") == "<head>"
    assert free_grammar(AnswerStyle()) != free_grammar(AnswerStyle(joint="text"))

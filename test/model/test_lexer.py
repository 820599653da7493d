"""The lexer keeps all text and recognises every kind of lexeme."""

from __future__ import annotations

import pytest
from answers import cut_anywhere
from hypothesis import example, given
from hypothesis import strategies as st

from taihri_ros.model.lexer import BLOCKS, END_OF_ANSWER, LexemeKind, lex
from taihri_ros.skeleton import JOINTS, joint_token

J, C, D, S, A, P, O = (  # noqa: E741
    LexemeKind.JOINT,
    LexemeKind.COORDINATE,
    LexemeKind.DELIMITER,
    LexemeKind.SEPARATOR,
    LexemeKind.ABSENT,
    LexemeKind.PUNCTUATION,
    LexemeKind.OTHER,
)
pieces = st.one_of(
    st.sampled_from([token for block in BLOCKS.values() for token in block]),
    st.sampled_from(JOINTS).flatmap(lambda joint: st.sampled_from([joint, f"<{joint}>", joint_token(joint)])),
    st.integers(-5, 10**14).map(lambda number: f"<{number}>"),
    st.sampled_from(["<", ">", "|", ",", " ", "\n", "<|", "|>", "\ufffd", *END_OF_ANSWER]),
    st.text(max_size=6),
)


@given(st.lists(pieces).map(tuple))
@example(("<26", "1", "><", "head>", " <|im_end|>"))
def test_no_text_is_lost(tokens: tuple[str, ...]) -> None:
    lexemes = lex(tokens)
    assert "".join(lexeme.text for lexeme in lexemes) == "".join(tokens)
    assert all(lexeme.text for lexeme in lexemes if all(tokens))
    starts = [lexeme.token for lexeme in lexemes]
    assert starts == sorted(starts)
    for lexeme in lexemes:
        assert tokens[lexeme.token].find(lexeme.text[:1]) >= 0


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("<|left_wrist|>", [J]),
        ("<left_wrist>", [J]),
        ("<0><999>", [C, C]),
        ("<261>, <630>\n", [C, S, C, S]),
        ("<left_wrist><261> <630>", [J, C, S, C]),
        ("<|box_start|><|im_end|>", [D, D]),
        ("left_wrist", [J]),
        ("left wrist", [J]),
        ("left wrist: <1>", [J, P, S, C]),
        ("left_wrist<1>right_wrist", [J, C, J]),
        ("the left wrist", [O, S, J]),
        ("head", [J]),
        ("spine1 spine12", [J, S, O]),
        ("heads", [O]),
        ("ahead", [O]),
        ("left_wrist_x", [O]),
        ("left wrists", [O, S, O]),
        ("left  wrist", [O, S, O]),
        ("head.", [O]),
        ('{"head": "<1>"}', [P, P, J, P, P, S, P, C, P, P]),
        ("```json", [P, P, P, O]),
        ("<|object_ref_start|>person<|object_ref_end|>", [D, O, D]),
        ("261", [O]),
        ("<-1>", [O]),
        ("<+1>", [O]),
        ("<007>", [O]),
        ("<0000261>", [O]),
        ("<00>", [O]),
        ("<1_0>", [O]),
        ("<1.5>", [O]),
        ("<٣>", [O]),
        ("<²>", [O]),
        ("<>", [O]),
        ("<", [O]),
        ("<26 1>", [O, S, O]),
        ("<|left_wrist>", [O]),
        ("<||left_wrist||>", [O]),
        ("<left_wrist|>", [O]),
        ("<Left_Wrist>", [O]),
        ("<tail>", [O]),
        ("<<261>", [O, C]),
        ("<261>>", [C, O]),
        ("<absent>", [A]),
        ("<1><absent>, <999>", [C, A, S, C]),
        ("<Absent>", [O]),
        ("absent", [O]),
        ("<" + "9" * 5000 + ">", [O]),
        ("<|im_start|>", [O]),
    ],
)
@pytest.mark.parametrize("split", [False, True])
def test_text_is_split_into_the_expected_kinds(text: str, kinds: list[LexemeKind], split: bool) -> None:
    assert [lexeme.kind for lexeme in lex(tuple(text) if split else (text,))] == kinds


@given(st.data())
def test_lexemes_do_not_depend_on_the_tokens(data: st.DataObject) -> None:
    text = "<left_wrist> <261>, <|head|><5>,\n<1000> so <|kpt2d_end|>"
    whole = [(lexeme.kind, lexeme.text, lexeme.joint, lexeme.number) for lexeme in lex((text,))]
    tokens = data.draw(cut_anywhere(text))
    lexemes = lex(tokens)
    assert [(lexeme.kind, lexeme.text, lexeme.joint, lexeme.number) for lexeme in lexemes] == whole
    starts = [sum(map(len, tokens[: lexeme.token])) for lexeme in lexemes]
    offset = 0
    for lexeme, start in zip(lexemes, starts, strict=True):
        assert start <= offset < start + len(tokens[lexeme.token])
        offset += len(lexeme.text)

"""Hypothesis strategies for answers: formats, joints, answers of a grammar, and text cut into arbitrary tokens."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import Choice, Coordinate, Grammar, Text
from taihri_ros.model.quantization import coordinate_token
from taihri_ros.skeleton import JOINTS

gaps = st.sampled_from(["", " ", ", ", ",", "\n", " ,\t"])
labels_and_boxes = st.sampled_from([("", False), ("", True), ("person", True), ("the left person", True)])
joint_forms = st.sampled_from(["token", "text", "name", "words"])
answer_formats = st.builds(
    lambda label_and_box, **others: AnswerFormat(label=label_and_box[0], box=label_and_box[1], **others),
    labels_and_boxes,
    joint=joint_forms,
    after_joint=gaps | st.sampled_from([": ", ":", " : "]),
    between_coordinates=gaps,
    between_joints=gaps,
    between_blocks=gaps,
)
some_joints = st.sets(st.sampled_from(JOINTS), min_size=1).map(lambda names: tuple(j for j in JOINTS if j in names))
bins = st.integers(0, 999)


@st.composite
def sentences(draw: st.DrawFn, grammar: Grammar) -> tuple[str, ...]:
    """Sample an answer that a grammar allows."""
    tokens: list[str] = []
    for element in grammar:
        if isinstance(element, Text):
            tokens.append(element.text)
        elif isinstance(element, Coordinate):
            tokens.append(coordinate_token(draw(bins)))
        elif isinstance(element, Choice):
            tokens += draw(sentences(draw(st.sampled_from(element.branches))))
    return tuple(tokens)


@st.composite
def cut_anywhere(draw: st.DrawFn, text: str) -> tuple[str, ...]:
    """Cut an answer into tokens: special tokens stay whole, the rest is cut anywhere."""
    tokens: list[str] = []
    for part in re.split(r"(<\|(?:box|kpt2d|kpt3d)_(?:start|end)\|>|<\|im_end\|>)", text):
        if part.startswith("<|") and ("_start" in part or "_end" in part):
            tokens.append(part)
            continue
        cuts = sorted(draw(st.sets(st.integers(1, max(1, len(part) - 1)), max_size=12)))
        tokens += [part[a:b] for a, b in zip([0, *cuts], [*cuts, len(part)], strict=True) if part[a:b]]
    return tuple(tokens)

"""The parser: the official formats, an outcome for every joint, and only coordinates that are in the answer."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable
from types import FrameType

import pytest
from answers import answer_formats, cut_anywhere, sentences, some_joints
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import answer_tokens

from taihri_ros.model.answer_format import AnswerFormat, infer_answer_format
from taihri_ros.model.grammar import free_grammar, named_grammar
from taihri_ros.model.lexer import BLOCKS, END_OF_ANSWER, LABEL
from taihri_ros.model.parser import Answer, JointAnswer, MalformedAnswerError, Outcome, parse
from taihri_ros.skeleton import JOINTS, joint_token

UV, XYZ = (261, 630), (512, 400, 199)
WRIST = ("left_wrist",)


def outcomes(answer: Answer) -> dict[str, Outcome]:
    return {joint.joint: joint.outcome for joint in answer.joints}


def bins(joint: JointAnswer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(c.bin for c in joint.pixel), tuple(c.bin for c in joint.point)


@pytest.mark.parametrize(
    "box", ["", "<|box_start|><1><2><3><4><|box_end|>", "<|box_start|> <1>, <2>, <3>, <4> <|box_end|>\n"]
)
@pytest.mark.parametrize("name", ["<|left_wrist|>", "<left_wrist>", "left wrist", "left_wrist:", "<left_wrist> :"])
@pytest.mark.parametrize(
    ("gap", "comma"), [("", ""), (" ", ", "), (" ", " "), ("", ","), ("\n", ",\n"), ("\t", "\r\n")]
)
@pytest.mark.parametrize("end", ["", "<|im_end|>", "<|endoftext|>", "<|im_end|><|endoftext|>", "\n<|im_end|>\n"])
def test_official_formats_are_parsed(box: str, name: str, gap: str, comma: str, end: str) -> None:
    text = (
        f"{box}<|kpt2d_start|>{gap}{name}{gap}<261>{comma}<630>{gap}<|kpt2d_end|>{gap}"
        f"<|kpt3d_start|>{name}{gap}<512>{comma}<400>{comma}<199><|kpt3d_end|>{end}"
    )
    for tokens in ((text,), tuple(text), tuple(re.findall(r"<[^<>]*>|[^<>]+", text))):
        answer = parse(tokens, WRIST)
        assert outcomes(answer) == {"left_wrist": Outcome.ANSWERED}
        assert bins(answer.joints[0]) == (UV, XYZ)
        assert (answer.box and tuple(c.bin for c in answer.box)) == ((1, 2, 3, 4) if box else None)


@given(st.data(), answer_formats, some_joints)
def test_names_and_numbers_may_be_cut_across_tokens(
    data: st.DataObject, answer_format: AnswerFormat, joints: tuple[str, ...]
) -> None:
    whole = data.draw(sentences(named_grammar(joints, answer_format)))
    tokens = data.draw(cut_anywhere("".join(whole)))
    answer = parse(tokens, joints)
    assert list(map(bins, answer.joints)) == list(map(bins, parse(whole, joints).joints))
    for coordinate in (c for joint in answer.joints for c in (*joint.pixel, *joint.point)):
        rest = "".join(tokens[coordinate.token :])
        at = rest.find(f"<{coordinate.bin}>")
        assert 0 <= at < len(tokens[coordinate.token])


def test_coordinates_have_the_index_of_their_token() -> None:
    tokens = answer_tokens({"head": UV, "left_wrist": (1, 2)}, {"head": (3, 4, 5), "left_wrist": XYZ}, (1, 2, 3, 4))
    answer = parse(tokens, None)
    coordinates = [*(answer.box or ()), *(c for joint in answer.joints for c in (*joint.pixel, *joint.point))]
    assert len(coordinates) == 14
    for coordinate in coordinates:
        assert tokens[coordinate.token] == f"<{coordinate.bin}>"


POINT = {"left_wrist": XYZ}
PIXEL = {"left_wrist": UV}


@pytest.mark.parametrize(
    ("pixels", "points", "outcome"),
    [
        ({}, {}, Outcome.NOT_ANSWERED),
        (PIXEL, {}, Outcome.NO_3D),
        ({}, POINT, Outcome.NO_2D),
        (PIXEL, POINT, Outcome.ANSWERED),
        ({"left_wrist": (0, 999)}, {"left_wrist": (0, 999, 0)}, Outcome.ANSWERED),
        ({"left_wrist": (1000, 0)}, POINT, Outcome.OUT_OF_RANGE),
        ({"left_wrist": (0, 1000)}, POINT, Outcome.OUT_OF_RANGE),
        (PIXEL, {"left_wrist": (5000, 1, 1)}, Outcome.OUT_OF_RANGE),
        (PIXEL, {"left_wrist": (1, 1000, 1)}, Outcome.OUT_OF_RANGE),
        (PIXEL, {"left_wrist": (1, 1, 10**11)}, Outcome.OUT_OF_RANGE),
    ],
)
def test_a_joint_gets_the_expected_outcome(
    pixels: dict[str, tuple[int, ...]], points: dict[str, tuple[int, ...]], outcome: Outcome
) -> None:
    others = {"head": UV}, {"head": XYZ}
    answer = parse(answer_tokens(others[0] | pixels, others[1] | points), ("head", "left_wrist"))
    assert outcomes(answer) == {"head": Outcome.ANSWERED, "left_wrist": outcome}
    assert bins(answer.joints[0]) == (UV, XYZ), "an invalid joint does not affect another"
    if outcome is not Outcome.ANSWERED:
        assert bins(answer.joints[1]) == ((), ())


@pytest.mark.parametrize("twice", [("2d",), ("3d",), ("2d", "3d")])
@pytest.mark.parametrize("same", [True, False])
def test_a_joint_answered_twice_is_a_duplicate(twice: tuple[str, ...], same: bool) -> None:
    second = {"2d": UV if same else (7, 8), "3d": XYZ if same else (7, 8, 9)}
    tokens = ""
    for block, first in (("2d", UV), ("3d", XYZ)):
        start, end = BLOCKS[block]
        tokens += start
        for numbers in (first, second[block]) if block in twice else (first,):
            tokens += "<left_wrist>" + "".join(f"<{number}>" for number in numbers)
        tokens += end
    answer = parse((tokens,), WRIST)
    assert outcomes(answer) == {"left_wrist": Outcome.DUPLICATE}
    assert bins(answer.joints[0]) == ((), ())


def test_both_forms_of_one_joint_are_a_duplicate() -> None:
    text = "<|kpt2d_start|><|head|><1><2><head><1><2><|kpt2d_end|><|kpt3d_start|><head><1><2><3><|kpt3d_end|>"
    assert outcomes(parse((text,), None)) == {"head": Outcome.DUPLICATE}


def test_an_unrequested_joint_is_not_asked() -> None:
    tokens = answer_tokens({"head": UV, **PIXEL}, {"head": XYZ, **POINT})
    answer = parse(tokens, WRIST)
    assert outcomes(answer) == {"head": Outcome.NOT_ASKED, "left_wrist": Outcome.ANSWERED}
    assert bins(answer.joints[0]) == ((), ())
    assert set(outcomes(parse(tokens, None)).values()) == {Outcome.ANSWERED}
    assert outcomes(parse(tokens, ())) == {"head": Outcome.NOT_ASKED, "left_wrist": Outcome.NOT_ASKED}


def test_an_empty_answer_is_well_formed() -> None:
    assert outcomes(parse(answer_tokens({}, {}), ("head", "neck"))) == {
        "neck": Outcome.NOT_ANSWERED,
        "head": Outcome.NOT_ANSWERED,
    }
    assert parse(answer_tokens({}, {}), None).joints == ()


@pytest.mark.parametrize("box", [(1000, 0, 5, 5), (0, 0, 5, 5000)])
def test_a_box_out_of_range_is_dropped(box: tuple[int, ...]) -> None:
    answer = parse(answer_tokens(PIXEL, POINT, box), WRIST)
    assert answer.box is None
    assert outcomes(answer) == {"left_wrist": Outcome.ANSWERED}


@settings(max_examples=40)
@given(st.data(), answer_formats, some_joints.filter(lambda joints: len(joints) <= 4))
def test_every_proper_prefix_is_malformed(
    data: st.DataObject, answer_format: AnswerFormat, joints: tuple[str, ...]
) -> None:
    tokens = data.draw(sentences(named_grammar(joints, answer_format)))
    for length in range(len(tokens)):
        for end in ((), END_OF_ANSWER[:1]):
            with pytest.raises(MalformedAnswerError):
                parse((*tokens[:length], *end), joints)
    assert outcomes(parse((*tokens, END_OF_ANSWER[0]), joints)) == outcomes(parse(tokens, joints))


def test_every_prefix_of_the_text_is_malformed() -> None:
    text = "".join(answer_tokens(PIXEL, POINT, (1, 2, 3, 4)))
    for length in range(len(text)):
        with pytest.raises(MalformedAnswerError):
            parse((text[:length],), WRIST)
    parse((text,), WRIST)


D2, D3 = (f"{{0}}<left_wrist>{body}{{1}}" for body in ("<1><2>", "<1><2><3>"))
TWO, THREE = D2.format(*BLOCKS["2d"]), D3.format(*BLOCKS["3d"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ends where <|kpt2d_start|> should follow"),
        ("<|im_end|>", "ends where <|kpt2d_start|> should follow"),
        (THREE + TWO, "'<|kpt3d_start|>' at token 0 instead of <|kpt2d_start|>"),
        (TWO, "ends where <|kpt3d_start|> should follow"),
        (THREE, "instead of <|kpt2d_start|>"),
        (TWO + TWO + THREE, "instead of <|kpt3d_start|>"),
        (TWO + THREE + THREE, "instead of the end"),
        (TWO + THREE + TWO + THREE, "instead of the end"),
        (TWO + THREE + "<|im_end|>" + TWO + THREE, "instead of the end"),
        (TWO + "<|box_start|><1><2><3><4><|box_end|>" + THREE, "instead of <|kpt3d_start|>"),
        ("<|box_start|><1><2><3><|box_end|>" + TWO + THREE, "instead of 4 coordinates of the box"),
        (
            "<|box_start|><1><2><3><4><5><|box_end|>" + TWO + THREE,
            "'<|box_end|>' at token 0 instead of 4 coordinates of a box",
        ),
        ("Sure! " + TWO + THREE, "'Sure!'"),
        (TWO + " and " + THREE, "'and'"),
        (TWO + THREE + " Done.", "'Done.'"),
        (TWO.replace("<1>", "<1>.") + THREE, "'.'"),
        (TWO.replace("<2>", "") + THREE, "instead of 2 coordinates of left_wrist"),
        (TWO.replace("<2>", "<2><3>") + THREE, "'<3>' at token 0 instead of a joint"),
        (TWO + THREE.replace("<3>", ""), "instead of 3 coordinates of left_wrist"),
        (TWO.replace("<left_wrist>", "<left_hand>") + THREE, "'<left_hand>'"),
        (TWO.replace("<left_wrist>", "") + THREE, "instead of a joint"),
        (TWO.replace("<2>", "2") + THREE, "'2'"),
        (TWO.replace("<2>", "<-2>") + THREE, "'<-2>'"),
        (TWO.replace("<2>", "<2.5>") + THREE, "'<2.5>'"),
        (TWO.replace("<2>", "<" + "9" * 6000 + ">") + THREE, "'<9999"),
        (TWO.replace("<2>", "<|im_end|>") + THREE, "ends where 2 coordinates of left_wrist should follow"),
        ('{"left_wrist": [1, 2, 3]}', "'left_wrist' at token 0 instead of keypoints"),
        ("<|object_ref_start|>person" + TWO + THREE, "instead of words or <|object_ref_end|>"),
        ("<|object_ref_start|>person<|object_ref_end|>" + TWO + THREE, "instead of <|box_start|>"),
        (TWO.replace("<left_wrist>", "left_wrist::") + THREE, "':' at token 0 instead of 2 coordinates"),
        (TWO.replace("<left_wrist>", "my left_wrist") + THREE, "'my'"),
    ],
)
def test_a_malformed_answer_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(MalformedAnswerError) as refused:
        parse((text,), WRIST)
    assert message in str(refused.value)
    assert refused.value.raw == text
    assert len(str(refused.value)) < 200


vocabulary = st.one_of(
    st.sampled_from([*(token for block in BLOCKS.values() for token in block), *END_OF_ANSWER]),
    st.sampled_from(JOINTS).map(joint_token),
    st.sampled_from(JOINTS[-3:]).flatmap(lambda joint: st.sampled_from([f"<{joint}>", joint, f"<{joint}"])),
    st.integers(0, 1100).map(lambda number: f"<{number}>"),
    st.sampled_from([", ", " ", "<", ">", "\ufffd", "<|", "26", "1>"]),
    st.text(max_size=4),
)
EDITS = ("delete", "insert", "replace", "swap", "repeat")


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, ...]:
    """Sample an answer of a named grammar with a few changed tokens."""
    tokens = list(draw(sentences(named_grammar(draw(some_joints), draw(answer_formats)))))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(tokens) - 1))
        match draw(st.sampled_from(EDITS)):
            case "delete" if len(tokens) > 1:
                del tokens[at]
            case "insert":
                tokens.insert(at, draw(vocabulary))
            case "replace":
                tokens[at] = draw(vocabulary)
            case "swap":
                other = draw(st.integers(0, len(tokens) - 1))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case "repeat":
                tokens[at:at] = tokens[at : at + draw(st.integers(1, 8))]
    return tuple(tokens)


@settings(max_examples=100)
@given(
    st.one_of(st.lists(vocabulary, max_size=30).map(tuple), damaged(), sentences(free_grammar(AnswerFormat()))),
    st.none() | st.sets(st.sampled_from(JOINTS)),
)
def test_parsed_coordinates_are_in_the_answer(tokens: tuple[str, ...], requested: set[str] | None) -> None:
    try:
        answer = parse(tokens, requested)
    except MalformedAnswerError:
        return
    text = re.sub(r"\b(left|right) (?=[a-z])", r"\1_", "".join(tokens))
    text = re.sub(r"[, \t\r\n]+", "", text)
    blocks = re.fullmatch(
        r"(?:<\|(?:box|object_ref)_start\|>.*?<\|box_end\|>)?"
        r"<\|kpt2d_start\|>(.*?)<\|kpt2d_end\|><\|kpt3d_start\|>(.*?)<\|kpt3d_end\|>.*",
        text,
        re.DOTALL,
    )
    assert blocks, "an answer without both blocks was accepted"
    for joint in answer.joints:
        if joint.outcome is not Outcome.ANSWERED:
            assert bins(joint) == ((), ())
            continue
        assert requested is None or joint.joint in requested
        for block, coordinates in zip(blocks.groups(), bins(joint), strict=True):
            written = "".join(f"<{number}>" for number in coordinates)
            assert all(0 <= number <= 999 for number in coordinates)
            name = rf"(?:<\|?{joint.joint}\|?>|(?<![\w<|]){joint.joint}(?![\w>|]))"
            assert len(re.findall(rf"{name}:?{written}(?!<\d)", block)) == 1
            assert len(re.findall(name, block)) == 1
        assert (len(joint.pixel), len(joint.point)) == (2, 3)
    if requested is not None:
        assert requested <= {joint.joint for joint in answer.joints}


@pytest.mark.parametrize("text", ["<007>", "<0000261>", "<00>", "<+1>", "<1_0>", "<1.0>", "< 1>", "<\u0661>"])
@pytest.mark.handles("Engine", "a coordinate in another spelling, such as 007", "the answer is malformed")
def test_only_the_text_of_a_token_is_a_coordinate(text: str) -> None:
    tokens = ("<|kpt2d_start|>", "<|head|>", text, "<1>", "<|kpt2d_end|>", "<|kpt3d_start|>", "<|kpt3d_end|>")
    with pytest.raises(MalformedAnswerError):
        parse(tokens, ("head",))
    with pytest.raises(MalformedAnswerError):
        parse(tuple("".join(tokens)), ("head",))


LABELLED = "<|object_ref_start|>person<|object_ref_end|><|box_start|><100>, <200>, <400>, <800><|box_end|>"
ELSEWHERE = "<|object_ref_start|>the other person<|object_ref_end|><|box_start|><500><200><900><800><|box_end|>"


def person(uv: str = "<261>, <630>", xyz: str = "<512> <400> <199>") -> str:
    return f"<|kpt2d_start|><left_wrist>{uv}<|kpt2d_end|><|kpt3d_start|><left_wrist>{xyz}<|kpt3d_end|>"


BOX, OTHER_BOX = (100, 200, 400, 800), (500, 200, 900, 800)


@pytest.mark.parametrize(
    ("text", "box"),
    [
        (LABELLED + person(), BOX),
        (LABELLED.replace("person", "a person in red") + "\n" + person(), BOX),
        (LABELLED.replace("person", "") + person(), BOX),
        (ELSEWHERE + LABELLED + person(), BOX),
        (LABELLED + ", " + ELSEWHERE + person(), BOX),
        ("<|box_start|><500><200><900><800>, <100><200><400><800><|box_end|>" + person(), BOX),
        (LABELLED + LABELLED + person(), None),
        (ELSEWHERE + ELSEWHERE.replace("<900>", "<901>") + person(), None),
        (ELSEWHERE + person(), OTHER_BOX),
        (LABELLED + ELSEWHERE + "<|kpt2d_start|><|kpt2d_end|><|kpt3d_start|><|kpt3d_end|>", None),
        (LABELLED + person() + ELSEWHERE + person("<600><300>", "<1><2><3>"), BOX),
        (LABELLED + person() + ELSEWHERE + person("<600><300>", "<1><2><3>") + "<|im_end|>", BOX),
    ],
)
@pytest.mark.handles("Engine", "an answer about several people", "the first person with joints is taken")
def test_the_first_person_is_taken_and_the_box_that_contains_the_joints(text: str, box: tuple[int, ...] | None) -> None:
    for tokens in ((text,), tuple(text), tuple(re.findall(r"<[^<>]*>|[^<>]+", text))):
        answer = parse(tokens, WRIST)
        assert (answer.box and tuple(c.bin for c in answer.box)) == box
        if "<left_wrist>" in text:
            assert bins(answer.joints[0]) == (UV, XYZ)
            assert tokens[answer.joints[0].pixel[0].token][:1] == "<"


JSON = '{"keypoints": {"left_wrist": "<841><424><697>", "head": "<1>, <2>, <3>"}}'
COMPACT = re.sub(r"\s", "", JSON)


@pytest.mark.parametrize(
    "text",
    [
        JSON,
        JSON + "<|im_end|>",
        COMPACT,
        f"```json\n{JSON}\n```",
        f"```json\n{JSON}\n```<|im_end|>\n",
        f"Here are the coordinates of left_wrist and head:\n```\n{JSON}\n```\nThe left wrist is in front.",
        JSON.replace(", ", ",\n  ").replace("{", "{\n").replace("}", "\n}"),
        JSON.replace("left_wrist", "left wrist"),
        JSON.replace("left_wrist", "<|left_wrist|>").replace("head", "<head>"),
        JSON.replace('"}}', '",}}'),
        f"[{JSON}]",
        f"```json\n[\n{JSON},\n{JSON.replace('841', '1')}\n]\n```<|im_end|>",
        f"[{JSON}{COMPACT}{{'keypoints': {{}}}}]".replace("'", '"'),
    ],
)
@pytest.mark.handles("Engine", "an answer in the JSON of the 3D-only task", "read: the joints have no pixel")
def test_json_of_the_3d_only_task_is_parsed(text: str) -> None:
    for tokens in ((text,), tuple(text), tuple(re.findall(r"<[^<>]*>|[^<>]+", text))):
        answer = parse(tokens, ("left_wrist", "neck"))
        assert outcomes(answer) == {
            "neck": Outcome.NOT_ANSWERED,
            "head": Outcome.NOT_ASKED,
            "left_wrist": Outcome.NO_2D,
        }
        assert bins(answer.joints[2]) == ((), (841, 424, 697))
        at = answer.joints[2].point[1].token
        assert "".join(tokens)[sum(map(len, tokens[:at])) :].find("<424>") < len(tokens[at])


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        (COMPACT.replace("head", "left_wrist"), Outcome.DUPLICATE),
        (COMPACT.replace("head", "left wrist"), Outcome.DUPLICATE),
        (COMPACT.replace("841", "1000"), Outcome.OUT_OF_RANGE),
        (COMPACT.replace("<841>", "<absent>"), Outcome.ABSENT),
    ],
)
def test_a_joint_in_json_gets_the_expected_outcome(text: str, outcome: Outcome) -> None:
    assert outcomes(parse((text,), WRIST))["left_wrist"] is outcome


@pytest.mark.parametrize(
    "text",
    [
        COMPACT + JSON,
        COMPACT + "<1><2><3>",
        "<1> " + COMPACT,
        COMPACT + "}",
        COMPACT + "<|im_end|>more",
        COMPACT + person(),
        person() + COMPACT,
        COMPACT.replace("keypoints", "keypoints_2d"),
        COMPACT.replace("left_wrist", "left_hand"),
        COMPACT.replace("<697>", ""),
        COMPACT.replace("<697>", "<697><1>"),
        COMPACT.replace("<697>", "697"),
        COMPACT.replace('"<841><424><697>"', "[841,424,697]"),
        COMPACT.replace('"<841><424><697>"', "null"),
        "[" + COMPACT + COMPACT + "]]]}",
        "[" + COMPACT + ", null]",
        "[" + COMPACT + ", left_wrist]",
        '{"a":' * 10_000,
    ],
)
@pytest.mark.handles("Engine", "JSON that was cut off, or of another form", "the answer is malformed")
def test_other_json_is_malformed(text: str) -> None:
    with pytest.raises(MalformedAnswerError):
        parse((text,), WRIST)


@pytest.mark.parametrize("whole", [COMPACT, f"[{COMPACT},{COMPACT}]"])
def test_json_that_was_cut_off_is_malformed(whole: str) -> None:
    parse((whole,), WRIST)
    for length in range(len(whole)):
        with pytest.raises(MalformedAnswerError):
            parse((whole[:length],), WRIST)


NONSENSE = {
    "open brackets": "<",
    "closed brackets": ">",
    "numbers": "<1",
    "coordinates": "<1>",
    "joints": "<|left_wrist|>",
    "words": "left wrist ",
    "half words": "left ",
    "a long word": "left_",
    "spaces": " ",
    "braces": "{",
    "quotes": '"',
    "colons": ":",
    "labels": LABEL[0] + "a" + LABEL[1],
    "label": "a ",
    "boxes": "<|box_start|><1><2><3><4><|box_end|>",
    "blocks": "<|kpt2d_start|>",
    "people": LABELLED + person(),
    "ends": "<|im_end|>",
    "digits": "9",
}
STARTS = {"label": LABEL[0], "joints": BLOCKS["2d"][0], "quotes": JSON[:-2], "words": JSON}


def executed_lines(function: Callable[[], None]) -> int:
    """Return the number of lines of Python that a call executes, which depends on no clock."""
    lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> Callable[..., object]:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.parametrize("kind", NONSENSE)
@pytest.mark.handles("Engine", "nonsense of any length as an answer", "refused in a time proportional to its length")
def test_the_work_is_proportional_to_the_length(kind: str) -> None:
    def work(size: int) -> int:
        text = STARTS.get(kind, "") + NONSENSE[kind] * (size // len(NONSENSE[kind]))
        tokens = (text[:5], text[5:])

        def read() -> None:
            with contextlib.suppress(MalformedAnswerError):
                assert not any(joint.outcome is Outcome.ANSWERED for joint in parse(tokens, None).joints[1:])
            infer_answer_format(tokens)

        return executed_lines(read)

    work(512)  # what is cached afterwards is executed here
    assert work(1 << 12) < 6 * work(1 << 10), "4 times for a linear method, 16 for a quadratic one"


def test_a_megabyte_is_refused() -> None:
    """A pattern that goes back would need hours for these, of which most are few lexemes."""
    for text in ("9" * (1 << 20), "<" + "9" * (1 << 20), "{" + " " * (1 << 20), "left_" * (1 << 18)):
        with pytest.raises(MalformedAnswerError) as refused:
            parse((text,), WRIST)
        assert len(str(refused.value)) < 200

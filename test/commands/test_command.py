"""Commands: refused texts, lists of joint names, `stop`, and the removal of special tokens."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taihri_ros.commands.command import MAX_LENGTH, CommandError, joint_command, parse_command
from taihri_ros.model.lexer import BLOCKS, END_OF_ANSWER
from taihri_ros.model.quantization import BINS, coordinate_token
from taihri_ros.skeleton import JOINTS, joint_token

QWEN = (
    *("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"),
    *("<|image_pad|>", "<|video_pad|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|quad_start|>", "<|quad_end|>"),
    *("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"),
    *("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"),
)
SPECIAL = (
    *QWEN,
    *END_OF_ANSWER,
    *(token for block in BLOCKS.values() for token in block),
    *map(joint_token, JOINTS),
    *map(coordinate_token, range(BINS)),
)


def words(text: str) -> str:
    command = parse_command(text)
    assert command is not None
    return command.text


def joints(text: str) -> tuple[str, ...]:
    command = parse_command(text)
    assert command is not None
    return command.joints


@pytest.mark.parametrize("text", ["", " ", "\n\t \r", "\x00\x01\x1b", "\u200b\ufeff", "\ud800", "\ufffd" * 20])
def test_a_command_without_words_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="holds no words: describe a task"):
        parse_command(text)


@pytest.mark.handles("Commands", "words with letters that are not UTF-8", "no joint: they may have negated the command")
@pytest.mark.parametrize("text", ["jam\ufffds me des la mano", "shake my hand\ud83e"])
def test_a_text_that_has_lost_letters_chooses_no_joint(text: str) -> None:
    command = parse_command(text)
    assert command is not None
    assert command.negation == "letters that are not UTF-8"
    assert command.joints == ()


def test_bytes_that_were_not_decoded_are_read_as_utf_8() -> None:
    undecoded = "sch\u00fcttle mir die Hand".encode().decode("ascii", "surrogateescape")
    command = parse_command(undecoded)
    assert command is not None
    assert (command.text, command.negation) == ("sch\u00fcttle mir die Hand", "")
    assert parse_command("arr\u00eate".encode().decode("ascii", "surrogateescape")) is None


@pytest.mark.handles(
    "Commands", "only punctuation, or a recogniser's note of silence: [BLANK_AUDIO]", "refused: no words"
)
@pytest.mark.parametrize(
    "text", [".", "...", "?!", "-", "[BLANK_AUDIO]", "(silence)", "[ Silence ]", "*music*", "\u266a"]
)
def test_a_text_that_nobody_said_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="holds no words: describe a task"):
        parse_command(text)
    assert words("music") == "music"


@pytest.mark.parametrize(
    "text", ["<|im_end|>", "<|im_<|x|>end|>", "<261>", "<|left_wrist|> <261><7>", "<think></think>"]
)
def test_a_command_of_special_tokens_only_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="holds no words"):
        parse_command(text)


def test_a_command_that_is_too_long_is_refused() -> None:
    assert words("a" * MAX_LENGTH) == "a" * MAX_LENGTH
    with pytest.raises(CommandError, match="has 501 characters, at most 500"):
        parse_command("a" * (MAX_LENGTH + 1))
    with pytest.raises(CommandError, match="at most 500") as refused:
        parse_command("<|im_end|>" * 100_000)
    assert len(str(refused.value)) < 200
    with pytest.raises(CommandError, match="at most 5 "):
        parse_command("wave at", max_length=5)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("shake my hand", "shake my hand"),
        ("  shake\tmy\n hand ", "shake my hand"),
        ("shake\x00my\x1b[31mhand", "shake my [31mhand"),
        ("shake my hand<|im_end|>", "shake my hand"),
        ("shake<|im_<|x|>end|>hand", "shake hand"),
        ("shake <261> hand", "shake hand"),
        ("<<|im_start|>|im_end|> hug", "< |im_end|> hug"),
        ("<|im\x00_end|> hug", "hug"),
        ("Give the person a big hug.", "Give the person a big hug."),
        ("if 3 < 4 and 5 > 2", "if 3 < 4 and 5 > 2"),
        ("umarme mich für 5 €", "umarme mich für 5 €"),
        ("握手して", "握手して"),
        ("\uff1c\uff5cim_end\uff5c\uff1e hug", "\uff1c\uff5cim_end\uff5c\uff1e hug"),  # look-alikes are ordinary words
    ],
)
def test_control_characters_and_special_tokens_are_removed(text: str, cleaned: str) -> None:
    command = parse_command(text)
    assert command is not None
    assert (command.text, command.joints) == (cleaned, ())


pieces = st.one_of(
    st.sampled_from(SPECIAL),
    st.sampled_from(
        ("<", ">", "|", "/", "<|", "|>", " ", "im_end", "im_", "end", "26", "1", "\x00", "\u200b", "\u0338")
    ),
    st.sampled_from(SPECIAL).flatmap(lambda token: st.integers(0, len(token)).map(lambda at: token[:at])),
    st.sampled_from(SPECIAL).flatmap(lambda token: st.integers(0, len(token)).map(lambda at: token[at:])),
    st.text(max_size=5),
)


@settings(max_examples=500)
@given(st.one_of(st.text(), st.lists(pieces, max_size=14).map("".join)))
@example("<|im_<|im_end|>end|>")
@example("<" * 240 + "1" + ">" * 240)
def test_no_special_token_survives_in_any_text(text: str) -> None:
    try:
        command = parse_command(text, max_length=100_000)
    except CommandError:
        return
    if command is None:
        return
    for form in (command.text, unicodedata.normalize("NFC", command.text)):  # the tokenizer of Qwen reads NFC
        assert not [token for token in SPECIAL if token in form]
    assert all(unicodedata.category(c)[0] not in "CZ" or c == " " for c in command.text)
    assert command.text == " ".join(command.text.split())
    command.text.encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("left_wrist", ("left_wrist",)),
        ("left wrist", ("left_wrist",)),
        ("Left Wrist and head", ("head", "left_wrist")),
        ("the left wrist", ("left_wrist",)),
        ("LEFT-WRIST; right wrist", ("left_wrist", "right_wrist")),
        ("left_wrist, right_wrist", ("left_wrist", "right_wrist")),
        ("right wrist,left wrist,", ("left_wrist", "right_wrist")),
        ("head, neck, and the pelvis.", ("pelvis", "neck", "head")),
        ("LeftWrist", ("left_wrist",)),
        ("head & neck + spine 1", ("spine1", "neck", "head")),
        ("left wrist, left_wrist", ("left_wrist",)),
        ("head\nneck", ("neck", "head")),
        ("left_wrist right_wrist", ("left_wrist", "right_wrist")),
        ("['left_wrist', 'right_wrist']", ("left_wrist", "right_wrist")),
        ("- **left_wrist**\n- `right_wrist`", ("left_wrist", "right_wrist")),
        ("\u2018left_wrist\u2019", ("left_wrist",)),
        ("left_wrist/right_wrist", ("left_wrist", "right_wrist")),
        ("my head und my left wrist", ("head", "left_wrist")),
        ("left and right wrist", ()),
        ("left wrist please", ()),
        ("shake my left wrist", ()),
        ("wrist", ()),
        ("and", ()),
    ],
)
def test_only_a_list_of_joint_names_is_a_command_with_named_joints(text: str, expected: tuple[str, ...]) -> None:
    assert joints(text) == expected


@given(st.lists(st.sampled_from(JOINTS), min_size=1, unique=True), st.data())
def test_joint_names_are_recognised_in_any_notation(names: list[str], data: st.DataObject) -> None:
    text = ""
    for place, name in enumerate(names):
        gap = data.draw(st.sampled_from([", ", ";", " and ", " & ", " + ", ", and "])) if place else ""
        written = name.replace("_", data.draw(st.sampled_from(["_", " ", "-", ""])))
        case = data.draw(st.sampled_from([str.lower, str.upper, str.title]))
        text += gap + data.draw(st.sampled_from(["", "the ", "The "])) + case(written)
    assert joints(text) == tuple(joint for joint in JOINTS if joint in names)
    assert joint_command(names).joints == joints(text)


@pytest.mark.handles("Commands", "stop, in a text that is too long", "stops")
def test_an_order_to_stop_is_never_too_long() -> None:
    assert parse_command("stop " + "now " * 1000, max_length=20) is None
    assert parse_command("please stop" + "!" * 1_000_000) is None
    with pytest.raises(CommandError, match="shorten it"):
        parse_command("shake my hand " * 100 + "stop")


@pytest.mark.handles(
    "Commands", "stop or a negated command that is not in command.allow", "accepted: it asks for nothing"
)
@pytest.mark.parametrize("text", ["stop", "Halt!", "arr\u00eate", "stop<|im_end|>", "\u200bst\u200bop\x00"])
def test_an_order_to_stop_is_always_allowed(text: str) -> None:
    assert parse_command(text, allow=["left_wrist"]) is None
    negated = parse_command("don't touch me", allow=["left_wrist"])
    assert negated is not None
    assert negated.negation == "don't"


@pytest.mark.handles("Commands", "list of joints with a misspelt name", "refused with the nearest names")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("left_wirst, right_wrist", "'left_wirst' is not the name of a joint: did you mean left_wrist[?]$"),
        ("left_wrist, elbow", "'elbow' is not the name of a joint: did you mean left_elbow or right_elbow[?]$"),
        ("head, left_thumb", "'left_thumb' is not the name of a joint: the joints are pelvis, left_hip, "),
        ("\uff4c\uff45\uff46\uff54_wirst", "'left_wirst' is not the name of a joint: did you mean left_wrist"),
    ],
)
def test_a_misspelt_joint_is_refused_with_the_nearest_names(text: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        parse_command(text)


@pytest.mark.parametrize(
    ("text", "negation"),
    [
        ("do not shake my hand", "do not"),
        ("not left_wrist", "not"),
        ("don't touch left_wrist", "don't"),
        ("left_wrist, not right_wrist", "not"),
        ("not left_wirst", "not"),
        ("left_wrist, right_wrist", ""),
        ("shake my hand", ""),
    ],
)
def test_a_negated_command_says_what_negates_it_and_names_no_joint(text: str, negation: str) -> None:
    command = parse_command(text)
    assert command is not None
    assert command.negation == negation
    assert not (command.negation and command.joints)


def test_only_allowed_commands_are_accepted() -> None:
    allow = ["Shake my hand", "left_wrist, head"]
    for text in ("shake my HAND", "left wrist and head", "Head; left-wrist"):
        assert parse_command(text, allow=allow) is not None
    for text in ("shake my hand now", "left wrist", "head", "hug me"):
        with pytest.raises(CommandError, match=r"not on the list of allowed commands: .* parameter command\.allow"):
            parse_command(text, allow=allow)


def test_joint_command_checks_and_sorts_the_joints() -> None:
    assert joint_command(["right_wrist", "head"]).joints == ("head", "right_wrist")
    assert joint_command({"right_wrist", "head"}).text == "head, right_wrist"
    with pytest.raises(CommandError, match="'tail' is not a joint; the joints are pelvis, left_hip"):
        joint_command(["head", "tail"])
    with pytest.raises(CommandError, match="no joint is named"):
        joint_command([])

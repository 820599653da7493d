"""Tests of the tokenizer of a checkpoint in all forms in which it may be saved.

The tests with Qwen3's real vocabulary need its tokenizer, which is not ours to ship: TAIHRI_QWEN_TOKENIZER names a
directory with its tokenizer.json and tokenizer_config.json.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from checkpoint_variants import VARIANTS, edit_json, tokenizer_of, write_slow_files
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from taihri_ros.inference.checkpoint import layout
from taihri_ros.inference.checkpoint.tokenizer_files import write_without_gaps
from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.inference.engine import CheckpointError
from taihri_ros.model.lexer import BLOCKS
from taihri_ros.model.quantization import ABSENT_TOKEN, BINS, coordinate_token
from taihri_ros.skeleton import JOINTS, joint_token

QWEN = os.environ.get("TAIHRI_QWEN_TOKENIZER", "")
NOT_RUN = "TAIHRI_QWEN_TOKENIZER does not name a directory with Qwen3's tokenizer: its vocabulary was not tested"
TOKENIZER_FORMS = [form for form in VARIANTS if "token" in form or form.startswith("ids")]
WITHOUT_GAP = [form for form in TOKENIZER_FORMS if "gap" not in form]
NAMES = (*(token for block in BLOCKS.values() for token in block), *map(joint_token, JOINTS))
CONTROL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|vision_start|>", "<|image_pad|>", "<|vision_end|>")
TEXTS = (
    "Give the person a big hug.",
    "Can you provide the 2D and 3D coordinates of the following keypoints of the person: left_wrist, right_wrist?",
    "Nimm bitte die rechte Hand der Person; größer als 1,5 m, café \uff26\uff55ll",
    "请握住他的左手。\n\n  然后\t停下 123456",
    "人の右手首はどこですか?",
    "Où est l'épaule gauche ? J'ai dit « là »",
    "¿Dónde está la muñeca? 🤝🏽 e\u0301",
    "왼쪽 손목을 잡아 주세요.",
    "возьми её за руку",
    "<|kpt2d_start|><|left_wrist|><261><630>, <|kpt2d_end|>\n<|im_end|>",
    "  leading,   inner and trailing   \r\n",
)


@pytest.fixture(scope="module")
def forms(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The tiny checkpoint in all forms of its tokenizer."""
    made = {}
    for form in TOKENIZER_FORMS:
        made[form] = Path(shutil.copytree(checkpoint, tmp_path_factory.mktemp("form") / "tiny"))
        VARIANTS[form](made[form])
    return made


def assert_as_in_transformers(directory: Path, texts: tuple[str, ...] = TEXTS) -> None:
    """Check that transformers gives every token the same id, and every text the same ids."""
    ours, theirs = Vocabulary(directory), AutoTokenizer.from_pretrained(directory, local_files_only=True)
    for text in texts:
        assert list(ours.ids(text)) == theirs(text, add_special_tokens=False)["input_ids"], text
    assert list(ours.coordinates) == theirs.convert_tokens_to_ids([coordinate_token(index) for index in range(BINS)])
    for token in (*NAMES, *CONTROL):
        assert ours.ids(token) == (theirs.convert_tokens_to_ids(token),)


@pytest.mark.handles("Engine", "checkpoint with the files of a slow tokenizer only", "loaded, with the same ids")
@pytest.mark.parametrize("form", WITHOUT_GAP)
def test_ids_are_those_of_transformers(forms: dict[str, Path], form: str) -> None:
    assert_as_in_transformers(forms[form])


@pytest.mark.parametrize("form", TOKENIZER_FORMS)
def test_texts_and_answers_are_the_same_in_every_form(forms: dict[str, Path], checkpoint: Path, form: str) -> None:
    one, other = Vocabulary(checkpoint), Vocabulary(forms[form])
    assert [other.plain_ids(text) for text in TEXTS] == [one.plain_ids(text) for text in TEXTS]
    assert other.texts(other.coordinates) == tuple(coordinate_token(index) for index in range(BINS))
    for name in (*NAMES, *CONTROL):
        assert other.texts(other.ids(name)) == (name,)
    assert other.cannot_constrain is None


@pytest.mark.handles("Engine", "tokenizer with ids that no token has", "loaded: ids are those of the files")
def test_ids_with_a_gap_are_those_of_the_files(forms: dict[str, Path], tmp_path: Path) -> None:
    directory = forms["ids of the coordinates with a gap"]
    written = {token["content"]: token["id"] for token in tokenizer_of(directory)["added_tokens"]}
    vocabulary = Vocabulary(directory)
    assert vocabulary.has_gaps
    assert list(vocabulary.coordinates) == [written[coordinate_token(index)] for index in range(BINS)]
    assert vocabulary.coordinates[500] == vocabulary.coordinates[499] + 4
    assert vocabulary.largest_id == max(written.values())
    write_without_gaps(directory, tmp_path)
    assert not Vocabulary(tmp_path).has_gaps
    assert Vocabulary(tmp_path).coordinates.array.tolist() == vocabulary.coordinates.array.tolist()
    assert_as_in_transformers(tmp_path)


@given(text=st.text() | st.lists(st.sampled_from((*NAMES, *CONTROL, "<7>", "<999>", " ", "a"))).map("".join))
def test_the_words_of_users_never_become_control_tokens(forms: dict[str, Path], text: str) -> None:
    for directory in forms.values():
        vocabulary = cached(directory)
        ids = vocabulary.plain_ids(text)
        assert bool(ids) == bool(text)
        assert not {*ids} & {*vocabulary.coordinates, *vocabulary.ids("".join((*NAMES, *CONTROL)))}


VOCABULARIES: dict[Path, Vocabulary] = {}


def cached(directory: Path) -> Vocabulary:
    if directory not in VOCABULARIES:
        VOCABULARIES[directory] = Vocabulary(directory)
    return VOCABULARIES[directory]


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def test_merges_that_lead_to_a_control_token_are_not_used_for_the_words_of_users(copy: Path) -> None:
    def learn(tokenizer: dict) -> None:
        """Let the merges build `<7>`, with a pre-tokenizer that does not keep its characters apart."""
        tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {"Regex": "[^ ]+"}
        vocabulary = tokenizer["model"]["vocab"]
        seven = next(token for token in tokenizer["added_tokens"] if token["content"] == "<7>")
        vocabulary |= {"<7": max(vocabulary.values()) + 5000, "<7>": seven["id"]}
        tokenizer["model"]["merges"][:0] = [["<", "7"], ["<7", ">"]]

    edit_json("tokenizer.json", learn)(copy)
    vocabulary = Vocabulary(copy)
    assert vocabulary.ids("<7>") == (vocabulary.coordinates[7],)
    assert vocabulary.coordinates[7] not in vocabulary.plain_ids("<7>")
    assert "".join(vocabulary.texts(vocabulary.plain_ids("<7>"))) == "<7>"


def without_added(*texts: str) -> Callable[[dict], None]:
    return lambda tokenizer: tokenizer.update(
        added_tokens=[token for token in tokenizer["added_tokens"] if token["content"] not in texts]
    )


def test_names_may_be_ordinary_text(copy: Path) -> None:
    edit_json("tokenizer.json", without_added(*NAMES))(copy)
    vocabulary = Vocabulary(copy)
    assert all(len(vocabulary.ids(name)) > 1 for name in NAMES)
    assert len(vocabulary.coordinates) == BINS
    assert vocabulary.cannot_constrain is None


@pytest.mark.handles("Engine", "checkpoint whose coordinates are ordinary text", "answers are not constrained")
def test_coordinates_that_are_ordinary_text_cannot_be_constrained(copy: Path) -> None:
    edit_json("tokenizer.json", without_added(*map(coordinate_token, range(BINS))))(copy)
    vocabulary = Vocabulary(copy, absent=True)
    assert len(vocabulary.coordinates) == 0
    assert vocabulary.cannot_constrain == f"<0> to <999> are ordinary text of several tokens in the tokenizer of {copy}"


def test_the_token_for_absent_joints_may_stand_anywhere(copy: Path) -> None:
    edit_json("tokenizer.json", lambda t: t["added_tokens"][3].update(content=ABSENT_TOKEN))(copy)
    vocabulary = Vocabulary(copy, absent=True)
    assert vocabulary.coordinates[BINS] == tokenizer_of(copy)["added_tokens"][3]["id"] < vocabulary.coordinates[0]
    assert len(Vocabulary(copy).coordinates) == BINS


def slow(change: Callable[[Path], object]) -> Callable[[Path], object]:
    def edit(directory: Path) -> None:
        VARIANTS["slow tokenizer, added tokens in `added_tokens.json`"](directory)
        change(directory)

    return edit


def both(change: Callable[[Path], object]) -> Callable[[Path], object]:
    def edit(directory: Path) -> None:
        write_slow_files(directory, tokenizer_of(directory))
        change(directory)

    return edit


def swap(*texts: str) -> Callable[[dict], None]:
    def change(ids: dict) -> None:
        ids[texts[0]], ids[texts[1]] = ids[texts[1]], ids[texts[0]]

    return change


def replace_text(name: str, old: str, new: str) -> Callable[[Path], object]:
    return lambda d: (d / name).write_text((d / name).read_text().replace(old, new, 1))


def decoder(entries: object) -> Callable[[Path], None]:
    return edit_json("tokenizer_config.json", lambda values: values.update(added_tokens_decoder=entries))


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "vocabularies differ": (
        both(edit_json("vocab.json", swap("a", "b"))),
        r"tokenizer\.json and vocab\.json in .* contradict each other \(the id of 'a' is \d+ or \d+\)",
    ),
    "merges differ": (
        both(lambda d: (d / "merges.txt").write_text("#version: 0.2\na b\n")),
        r"tokenizer\.json and merges\.txt in .* contradict each other",
    ),
    "ids of added tokens differ": (
        lambda d: (d / "added_tokens.json").write_text(json.dumps({"<7>": 9, "<8>": 8})),
        r"added_tokens\.json and tokenizer\.json in .* contradict each other \(the id of <7> is 9 or \d+\)",
    ),
    "two tokens have one id": (
        lambda d: (d / "added_tokens.json").write_text(json.dumps({"<another>": Vocabulary(d).coordinates[7]})),
        r"contradict each other \(the token \d+ is <another> or <7>\)",
    ),
    "an added token with the id of another": (
        slow(edit_json("added_tokens.json", lambda ids: ids.update({"<another>": 5}))),
        r"contradicts itself, because the id of <another> is 5 as an added token, but in the vocabulary that is '&'",
    ),
    "an added token with another id in the vocabulary": (
        edit_json("tokenizer.json", lambda values: values["model"]["vocab"].update({"<7>": 2000})),
        r"contradicts itself, because the id of <7> is \d+ as an added token, but in the vocabulary that is None",
    ),
    "no merges": (slow(lambda d: (d / "merges.txt").unlink()), "has neither tokenizer.json nor both vocab.json and"),
    "no vocabulary": (
        slow(lambda d: (d / "vocab.json").unlink()),
        "has neither tokenizer.json nor both vocab.json and",
    ),
    "no added tokens": (
        slow(lambda d: (d / "added_tokens.json").unlink()),
        r"has no control tokens: use a TAIHRI checkpoint with its own tokenizer",
    ),
    "broken merges": (
        slow(replace_text("merges.txt", "\n", "\na b c\n")),
        r"merges\.txt cannot be read \(a line is not a pair of tokens\)",
    ),
    "merges of tokens that do not exist": (slow(replace_text("merges.txt", "\n", "\nab cd\n")), "cannot be read"),
    "merges that are not text": (
        slow(lambda d: (d / "merges.txt").write_bytes(b"\xff\xfe a\n")),
        r"merges\.txt cannot be read \('utf-8' codec",
    ),
    "absurd id": (
        slow(edit_json("vocab.json", lambda ids: ids.update(a=10**9))),
        r"vocab\.json cannot be read \(it has no vocabulary with ids from 0 to",
    ),
    "ids that are texts": (
        slow(edit_json("added_tokens.json", lambda ids: ids.update({"<7>": "7"}))),
        r"added_tokens\.json cannot be read",
    ),
    "a tokenizer of another class": (
        slow(edit_json("tokenizer_config.json", lambda values: values.update(tokenizer_class="LlamaTokenizer"))),
        r"has tokenizer_class 'LlamaTokenizer', which is understood with tokenizer\.json only",
    ),
    "decoder that is a list": (decoder([1]), r"tokenizer_config\.json cannot be read \(added_tokens_decoder is not a"),
    "decoder of other values": (decoder({"5": "<0>"}), r"cannot be read \(added_tokens_decoder has the entry '5'\)"),
    "decoder of other ids": (decoder({"first": {}}), r"cannot be read \(added_tokens_decoder has the entry 'first'\)"),
    "decoder of an endless id": (decoder({"9" * 5000: {}}), r"cannot be read \(added_tokens_decoder has the entry '99"),
    "decoder without texts": (decoder({"5": {}}), r"an added token has the content None and the id 5\b"),
    "added tokens that are texts": (
        edit_json("tokenizer.json", lambda values: values.update(added_tokens=["<0>"])),
        r"tokenizer\.json cannot be read \(the added token '<0>' is not a mapping\)",
    ),
    "model of another kind": (
        edit_json("tokenizer.json", lambda values: values["model"].update(vocab=[["a", -1.0]])),
        r"tokenizer\.json cannot be read \(it has no vocabulary",
    ),
    "model without merges": (
        edit_json("tokenizer.json", lambda values: values["model"].pop("merges")),
        r"the tokenizer of .* cannot be read",
    ),
    "one delimiter only": (
        edit_json("tokenizer.json", without_added("<|kpt2d_end|>")),
        r"lacks 1 of the tokens that TAIHRI adds, such as <\|kpt2d_end\|>",
    ),
}


@pytest.mark.handles("Engine", "tokenizer files that contradict each other", "refused: names both files and the token")
@pytest.mark.parametrize("fault", FAULTS)
def test_the_error_names_the_fault(copy: Path, fault: str) -> None:
    change, message = FAULTS[fault]
    change(copy)
    with pytest.raises(CheckpointError, match=message) as caught:
        Vocabulary(copy)
    assert str(copy) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not QWEN, reason=NOT_RUN)
@pytest.mark.parametrize("form", WITHOUT_GAP[:3])
def test_ids_of_the_real_vocabulary_are_those_of_transformers(tmp_path: Path, form: str) -> None:
    """TAIHRI's tokens follow those of Qwen3, as they do where a training adds them."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(Path(QWEN) / name, tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "qwen3_vl"}')
    tokenizer = tokenizer_of(tmp_path)
    known = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    last = max(known.values())
    flags = {**tokenizer["added_tokens"][0]}
    new = [text for text in layout.added_tokens(absent=False) if text not in known]
    tokenizer["added_tokens"] += [flags | {"content": text, "id": last + 1 + place} for place, text in enumerate(new)]
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    VARIANTS[form](tmp_path)
    assert_as_in_transformers(tmp_path)
    vocabulary = Vocabulary(tmp_path)
    assert "".join(vocabulary.texts(vocabulary.plain_ids(TEXTS[1]))) == TEXTS[1]

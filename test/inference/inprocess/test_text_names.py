"""Engines with a checkpoint whose joint names and delimiters are ordinary text of several tokens."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkpoint_variants import edit_json
from engine_requests import BOTH_WRISTS, assert_all_close, assert_close, generate_one, joint_questions, make_request

from taihri_ros.inference.factory import open_engine
from taihri_ros.inference.local_engine import LocalEngine
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import free_grammar, named_grammar
from taihri_ros.model.lexer import BLOCKS
from taihri_ros.model.parser import parse
from taihri_ros.skeleton import JOINTS, joint_token

NAMES = {*(token for block in BLOCKS.values() for token in block), *map(joint_token, JOINTS)}
ALL = make_request(JOINTS, grammar=named_grammar(JOINTS, AnswerFormat()), max_tokens=2048)
FREE = make_request(grammar=free_grammar(AnswerFormat()), max_tokens=2048)


@pytest.fixture(scope="module")
def engines(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, LocalEngine]]:
    """Both engines; the ids of the tokens that the names had are those of no token."""
    directory = Path(shutil.copytree(checkpoint, tmp_path_factory.mktemp("names") / "tiny"))
    edit_json(
        "tokenizer.json",
        lambda values: values.update(added_tokens=[t for t in values["added_tokens"] if t["content"] not in NAMES]),
    )(directory)
    with (
        open_engine("transformers", str(directory)) as one,
        open_engine("vllm", str(directory), options={"dtype": "float32"}) as other,
    ):
        yield {"transformers": one, "vllm": other}


@pytest.mark.handles("Engine", "checkpoint whose joint names and delimiters are ordinary text", "answers as any other")
@pytest.mark.parametrize("request_", [ALL, FREE], ids=["named joints", "joints that the model chooses"])
def test_both_frameworks_give_equal_answers(engines: dict[str, LocalEngine], request_) -> None:
    one, other = (generate_one(engines[kind], request_) for kind in ("transformers", "vllm"))
    assert_close(one, other)
    assert one.finish_reason == "stop"
    assert not NAMES & {*one.tokens}
    joints = {answer.joint for answer in parse(one.tokens, None).joints}
    assert joints == {*JOINTS} if request_ is ALL else joints <= {*JOINTS}
    assert sum(top_k is not None for top_k in one.top_k) == sum(token[1:-1].isdigit() for token in one.tokens)


@pytest.mark.parametrize("kind", ["transformers", "vllm"])
def test_all_ways_of_decoding_agree(engines: dict[str, LocalEngine], kind: str) -> None:
    engine = engines[kind]
    quick = engine.generate(make_request(max_tokens=2048))
    plain = engine.generate(make_request(max_tokens=2048, jump_forward=False))
    assert_all_close(quick, list(plain.answers))
    assert quick.steps < plain.steps
    together = engine.generate(make_request(questions=joint_questions(BOTH_WRISTS), max_tokens=2048))
    alone = [
        generate_one(engine, make_request(questions=(question,), max_tokens=2048))
        for question in joint_questions(BOTH_WRISTS)
    ]
    assert_all_close(together, alone)

"""Tests that vLLM's constrained decoding with the Lark grammar allows the same tokens as the automaton."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
import torch
import xgrammar
from checkpoint_variants import VARIANTS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoTokenizer

from taihri_ros.inference.checkpoint.tokenizer_files import write_without_gaps
from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.inference.constrained.automaton import Automaton
from taihri_ros.inference.constrained.lark import to_lark
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import Grammar, free_grammar, named_grammar
from taihri_ros.skeleton import JOINTS

ANSWER_FORMATS = {
    "plain": AnswerFormat(),
    "no box": AnswerFormat(box=False),
    "separators": AnswerFormat(
        joint="text", after_joint=" ", between_coordinates=", ", between_joints=", ", between_blocks="\n"
    ),
}
GRAMMARS = {
    f"named, {name}": named_grammar(("left_wrist", "head"), answer_format)
    for name, answer_format in ANSWER_FORMATS.items()
}
GRAMMARS |= {f"all, {name}": named_grammar(JOINTS, answer_format) for name, answer_format in ANSWER_FORMATS.items()}
GRAMMARS |= {f"free, {name}": free_grammar(answer_format) for name, answer_format in ANSWER_FORMATS.items()}


class Compiled:
    """A grammar compiled to an automaton and by xgrammar."""

    def __init__(self, checkpoint: Path, grammar: Grammar) -> None:
        vocabulary = Vocabulary(checkpoint)
        self.automaton = Automaton(grammar, vocabulary.ids, vocabulary.coordinates)
        self.coordinates = vocabulary.coordinates
        self.ends = set(vocabulary.end_ids)
        self.size = AutoConfig.from_pretrained(checkpoint).text_config.vocab_size
        with tempfile.TemporaryDirectory() as complete:
            write_without_gaps(checkpoint, Path(complete))
            tokenizer = AutoTokenizer.from_pretrained(complete if vocabulary.has_gaps else checkpoint)
        compiler = xgrammar.GrammarCompiler(xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=self.size))
        self.grammar = compiler.compile_lark(to_lark(grammar, vocabulary.ids, vocabulary.coordinates))

    def allowed_by_vllm(self, matcher: xgrammar.GrammarMatcher) -> set[int]:
        mask = xgrammar.allocate_token_bitmask(1, self.size)
        mask.fill_(-1)
        matcher.fill_next_token_bitmask(mask)
        bits = (mask[0, :, None] >> torch.arange(32)) & 1
        return set(torch.nonzero(bits.flatten()[: self.size]).flatten().tolist())


RENUMBERED = "ids of the coordinates with a gap", "ids of the joints among those of the coordinates"


@pytest.fixture(scope="module")
def renumbered(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint with the ids of its coordinates in many blocks."""
    directory = Path(shutil.copytree(checkpoint, tmp_path_factory.mktemp("renumbered") / "tiny"))
    for form in RENUMBERED:
        VARIANTS[form](directory)
    return directory


@pytest.fixture(scope="module", params=[*GRAMMARS, "ids in many blocks"])
def compiled(request: pytest.FixtureRequest, checkpoint: Path, renumbered: Path) -> Compiled:
    grammar = GRAMMARS.get(request.param)
    return Compiled(checkpoint, grammar) if grammar else Compiled(renumbered, free_grammar(AnswerFormat()))


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(random=st.randoms(use_true_random=False))
def test_automaton_and_xgrammar_allow_the_same_tokens_at_every_step(compiled: Compiled, random) -> None:
    matcher = xgrammar.GrammarMatcher(compiled.grammar)
    state = compiled.automaton.start
    while True:
        allowed = compiled.automaton.allowed(state)
        expected = set(allowed.ids) | (set(compiled.coordinates) if allowed.coordinates else set())
        theirs = compiled.allowed_by_vllm(matcher)
        assert theirs - compiled.ends == expected
        assert bool(theirs & compiled.ends) == allowed.end
        if not expected:
            return
        token = random.choice(sorted(expected))
        assert matcher.accept_token(token)
        state = compiled.automaton.advance(state, token)

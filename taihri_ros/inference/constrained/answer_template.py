"""Answer templates for jump-forward decoding: all tokens are fixed except the coordinates.

Where the grammar allows only one next token, there is nothing to decode. Jump-forward decoding, known from SGLang's
constrained decoding (Zheng et al., arXiv 2312.07104), inserts such tokens: they are fed to the model in the same
forward pass as the token before them. SGLang finds them during decoding. Here all tokens except the coordinates are
known in advance. The grammar is therefore compiled to a template once, and an answer takes one forward pass for each
coordinate.

Example: the short answer `<|kpt2d_start|><|head|><261><630><|kpt2d_end|>` has the template

    Segment(fixed=(<|kpt2d_start|>, <|head|>), count=2), ending=(<|kpt2d_end|>,)

and takes two forward passes, where decoding token by token takes six: one for each token and one for the end token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from taihri_ros.inference.constrained.automaton import Encode, Tokens, tokenize
from taihri_ros.model.grammar import Grammar


@dataclass(frozen=True)
class Segment:
    """Fixed tokens, followed by coordinates that are decoded.

    Attributes:
        fixed: Ids of the fixed tokens.
        count: Number of consecutive coordinates after them; one or more.
    """

    fixed: tuple[int, ...]
    count: int


@dataclass(frozen=True)
class Template:
    """An answer whose tokens are fixed except for the coordinates.

    Attributes:
        segments: The segments in order; one or more.
        ending: Ids of the fixed tokens after the last coordinate; they need no forward pass.
    """

    segments: tuple[Segment, ...]
    ending: tuple[int, ...]

    @property
    def length(self) -> int:
        """Number of tokens in the answer, without the end token."""
        return sum(len(segment.fixed) + segment.count for segment in self.segments) + len(self.ending)


def make_template(grammar: Grammar, encode: Encode) -> Template | None:
    """Compile a grammar to a template.

    Args:
        grammar: The grammar.
        encode: The tokenizer.

    Returns:
        The template, or None if the grammar contains a choice or no coordinate.
    """
    segments: list[Segment] = []
    fixed: tuple[int, ...] = ()
    for symbol in tokenize(grammar, encode):
        if isinstance(symbol, Tokens):
            fixed += symbol.ids
        elif isinstance(symbol, tuple):
            return None
        elif segments and not fixed:
            segments[-1] = Segment(segments[-1].fixed, segments[-1].count + 1)
        else:
            segments.append(Segment(fixed, 1))
            fixed = ()
    return Template(tuple(segments), fixed) if segments else None


_TopK = TypeVar("_TopK")


class TemplateState(Generic[_TopK]):
    """Decoding state of one answer: the tokens so far, and what to decode next.

    Attributes:
        tokens: Ids of the answer's tokens so far, including the fixed tokens up to the next coordinate.
        top_k: For each token the value that `append` received; None for fixed tokens.
        pending: Ids of the tokens that the model must process before it predicts the next coordinate.
        remaining: Number of coordinates left in the current segment; 0 when the answer is complete.
    """

    def __init__(self, template: Template) -> None:
        """Start at the first coordinate of a template."""
        self.tokens: list[int] = []
        self.top_k: list[_TopK | None] = []
        self.pending: tuple[int, ...] = ()
        self.remaining = 0
        self._segments = iter(template.segments)
        self._ending = template.ending
        self._jump_forward()

    def append(self, token: int, top_k: _TopK | None) -> None:
        """Append the next coordinate, and the fixed tokens after it.

        Args:
            token: Id of the decoded coordinate token.
            top_k: Its top-k log-probabilities, in the engine's own form.
        """
        self.tokens.append(token)
        self.top_k.append(top_k)
        self.pending = (token,)
        self.remaining -= 1
        if not self.remaining:
            self._jump_forward()

    def _jump_forward(self) -> None:
        """Append the fixed tokens before the next coordinate, or those that end the answer."""
        segment = next(self._segments, None)
        fixed = self._ending if segment is None else segment.fixed
        self.tokens += fixed
        self.top_k += [None] * len(fixed)
        self.pending += fixed
        self.remaining = 0 if segment is None else segment.count

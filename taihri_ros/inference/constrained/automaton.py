"""An answer grammar as a finite automaton over token ids, for engines that mask the next token themselves.

Thompson's construction turns the grammar into a nondeterministic automaton; its states are determinised on demand.
Adjacent texts are joined before they are tokenised, so that the tokens are the same as in training.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from taihri_ros.model.grammar import Choice, Coordinate, Element, Grammar, Text

Encode: TypeAlias = Callable[[str], Sequence[int]]
"""Function that converts a text to token ids."""

State: TypeAlias = "frozenset[int]"
"""State of the deterministic automaton: a set of states of the nondeterministic one."""


@dataclass(frozen=True)
class Tokens:
    """A fixed sequence of token ids."""

    ids: tuple[int, ...]


Symbols: TypeAlias = "tuple[Tokens | Coordinate | tuple[Symbols, ...], ...]"
"""A grammar over token ids; an inner tuple is a choice between branches."""


def tokenize(grammar: Grammar, encode: Encode) -> Symbols:
    """Convert the texts of a grammar to token ids.

    A tokenizer may join the end of one text and the start of the next in one token. Texts that follow each other are
    therefore encoded together, also a text and the start of the branches after it.

    Args:
        grammar: The grammar.
        encode: The tokenizer.

    Returns:
        The grammar over token ids.
    """
    symbols: list[Tokens | Coordinate | tuple[Symbols, ...]] = []
    text = ""
    place = 0
    while place < len(grammar):
        element = grammar[place]
        place += 1
        if isinstance(element, Text):
            text += element.text
            continue
        branches = element.branches if isinstance(element, Choice) else ()
        optional = tuple(itertools.takewhile(_is_optional, grammar[place - 1 :]))
        if text and _joins(text, optional or (element,), encode):
            if optional:
                branches = _first_of(optional).branches
                place += len(optional) - 1
            branches = tuple((Text(text), *branch) for branch in branches)
        elif text:
            symbols.append(Tokens(tuple(encode(text))))
        symbols.append(tuple(tokenize(branch, encode) for branch in branches) or Coordinate())
        text = ""
    return (*symbols, Tokens(tuple(encode(text)))) if text else tuple(symbols)


def _is_optional(element: Element) -> bool:
    return isinstance(element, Choice) and len(element.branches) == 2 and not element.branches[0]


def _joins(text: str, choices: tuple[Element, ...], encode: Encode) -> bool:
    """Return whether the tokenizer joins the end of a text and the start of a branch of any choice."""
    starts = {
        branch[0].text
        for choice in choices
        if isinstance(choice, Choice)
        for branch in choice.branches
        if branch and isinstance(branch[0], Text)
    }
    return any((*encode(text), *encode(start)) != tuple(encode(text + start)) for start in starts)


def _first_of(optional: tuple[Element, ...]) -> Choice:
    """Return optional elements that follow each other as one choice of the first of them that is there, or of none."""
    present = [element.branches[1] for element in optional if isinstance(element, Choice)]
    return Choice(((), *((*branch, *optional[place + 1 :]) for place, branch in enumerate(present))))


@dataclass(frozen=True)
class Allowed:
    """The next tokens that the grammar allows.

    Attributes:
        ids: Allowed token ids other than coordinates.
        coordinates: Whether every coordinate token is allowed.
        end: Whether the answer may end here.
    """

    ids: frozenset[int]
    coordinates: bool
    end: bool


class Automaton:
    """Finite automaton that accepts the answers of a grammar.

    Attributes:
        start: State before the first token.
    """

    def __init__(self, grammar: Grammar, encode: Encode, coordinates: Container[int]) -> None:
        """Compile a grammar.

        Args:
            grammar: The grammar.
            encode: The tokenizer.
            coordinates: Ids of the coordinate tokens.
        """
        self._coordinates = coordinates
        self._tokens: list[dict[int, list[int]]] = []
        self._any_coordinate: list[list[int]] = []
        self._epsilon: list[list[int]] = []
        first = self._new()
        self._accepting = self._add(tokenize(grammar, encode), first)
        self._allowed: dict[State, Allowed] = {}
        self._next: dict[tuple[State, int], State] = {}
        self.start = self._closure([first])

    def allowed(self, state: State) -> Allowed:
        """Return the tokens that are allowed in a state.

        Args:
            state: The state.

        Returns:
            The allowed tokens, and whether the answer may end.
        """
        if state not in self._allowed:
            self._allowed[state] = Allowed(
                frozenset(token for node in state for token in self._tokens[node]),
                any(self._any_coordinate[node] for node in state),
                self._accepting in state,
            )
        return self._allowed[state]

    def advance(self, state: State, token: int) -> State:
        """Return the state after a token.

        Args:
            state: State before the token.
            token: Token id.

        Returns:
            State after the token; empty if the grammar does not allow the token.
        """
        is_coordinate = token in self._coordinates
        symbol = -1 if is_coordinate else token
        if (state, symbol) not in self._next:
            targets = [target for node in state for target in self._tokens[node].get(token, ())]
            if is_coordinate:
                targets += [target for node in state for target in self._any_coordinate[node]]
            self._next[state, symbol] = self._closure(targets)
        return self._next[state, symbol]

    def accepts(self, tokens: Sequence[int]) -> bool:
        """Return whether tokens are a complete answer.

        Args:
            tokens: Token ids, without the end token.

        Returns:
            True if the grammar allows all tokens and the end of the answer after them.
        """
        state = self.start
        for token in tokens:
            state = self.advance(state, token)
        return self.allowed(state).end

    def _new(self) -> int:
        self._tokens.append({})
        self._any_coordinate.append([])
        self._epsilon.append([])
        return len(self._tokens) - 1

    def _add(self, symbols: Symbols, node: int) -> int:
        """Append a grammar after a node; return its last node."""
        for symbol in symbols:
            if isinstance(symbol, Tokens):
                for token in symbol.ids:
                    node, previous = self._new(), node
                    self._tokens[previous].setdefault(token, []).append(node)
            elif isinstance(symbol, Coordinate):
                node, previous = self._new(), node
                self._any_coordinate[previous].append(node)
            else:
                ends = [self._add(branch, node) for branch in symbol]
                node = self._new()
                for end in ends:
                    self._epsilon[end].append(node)
        return node

    def _closure(self, nodes: Sequence[int]) -> State:
        reached = set(nodes)
        waiting = list(nodes)
        while waiting:
            for target in self._epsilon[waiting.pop()]:
                if target not in reached:
                    reached.add(target)
                    waiting.append(target)
        return frozenset(reached)

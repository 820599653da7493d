"""An answer grammar as a finite automaton over token ids, for engines that mask the next token themselves.

The grammar becomes a nondeterministic automaton by Thompson's construction; its states are determinised when met.
Texts are cut into tokens as one run as far as they stand side by side, as the tokenizer cut them when the
model was trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from taihri_ros.model.grammar import Choice, Coordinate, Grammar, Text

Encode: TypeAlias = Callable[[str], Sequence[int]]
"""Turns a text into token ids."""

State: TypeAlias = "frozenset[int]"
"""Where in the grammar an answer can be."""


@dataclass(frozen=True)
class Tokens:
    """Tokens that must stand here, one after the other."""

    ids: tuple[int, ...]


Symbols: TypeAlias = "tuple[Tokens | Coordinate | tuple[Symbols, ...], ...]"
"""A grammar over token ids; an inner tuple is a choice of branches."""


def tokenize(grammar: Grammar, encode: Encode) -> Symbols:
    """Turn the texts of a grammar into token ids.

    Args:
        grammar: The grammar.
        encode: The tokenizer.

    Returns:
        The grammar over token ids.
    """
    symbols: Symbols = ()
    for is_text, run in groupby(grammar, lambda element: isinstance(element, Text)):
        if is_text:
            joined = "".join(element.text for element in run if isinstance(element, Text))
            symbols += (Tokens(tuple(encode(joined))),)
            continue
        for element in run:
            if isinstance(element, Choice):
                symbols += (tuple(tokenize(branch, encode) for branch in element.branches),)
            elif isinstance(element, Coordinate):
                symbols += (element,)
    return symbols


@dataclass(frozen=True)
class Allowed:
    """What may follow.

    Attributes:
        ids: Token ids, the coordinates apart.
        coordinates: Whether any coordinate may follow.
        end: Whether the answer may end here.
    """

    ids: frozenset[int]
    coordinates: bool
    end: bool


class Automaton:
    """Follows an answer through a grammar.

    Attributes:
        start: The state before the first token.
    """

    def __init__(self, grammar: Grammar, encode: Encode, coordinates: range) -> None:
        """Compile a grammar.

        Args:
            grammar: The grammar.
            encode: The tokenizer.
            coordinates: Ids of the coordinate tokens.
        """
        self._coordinates = coordinates
        self._tokens: list[dict[int, list[int]]] = []
        self._any_coordinate: list[list[int]] = []
        self._silent: list[list[int]] = []
        first = self._new()
        self._accepting = self._add(tokenize(grammar, encode), first)
        self._allowed: dict[State, Allowed] = {}
        self._next: dict[tuple[State, int], State] = {}
        self.start = self._closure([first])

    def allowed(self, state: State) -> Allowed:
        """Tell what may follow in a state.

        Args:
            state: The state.

        Returns:
            The tokens, and whether the answer may end.
        """
        if state not in self._allowed:
            self._allowed[state] = Allowed(
                frozenset(token for node in state for token in self._tokens[node]),
                any(self._any_coordinate[node] for node in state),
                self._accepting in state,
            )
        return self._allowed[state]

    def advance(self, state: State, token: int) -> State:
        """Take one token.

        Args:
            state: The state before it.
            token: Its id.

        Returns:
            The state after it; it is empty when the grammar does not allow the token.
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
        """Tell whether tokens are a whole answer.

        Args:
            tokens: Token ids, without the end token.

        Returns:
            True when the grammar allows every one and the end after them.
        """
        state = self.start
        for token in tokens:
            state = self.advance(state, token)
        return self.allowed(state).end

    def _new(self) -> int:
        self._tokens.append({})
        self._any_coordinate.append([])
        self._silent.append([])
        return len(self._tokens) - 1

    def _add(self, symbols: Symbols, node: int) -> int:
        """Append a grammar behind a node; gives the node at its end."""
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
                    self._silent[end].append(node)
        return node

    def _closure(self, nodes: Sequence[int]) -> State:
        reached = set(nodes)
        waiting = list(nodes)
        while waiting:
            for target in self._silent[waiting.pop()]:
                if target not in reached:
                    reached.add(target)
                    waiting.append(target)
        return frozenset(reached)

"""Conversion of an answer grammar to a Lark grammar over token ids, for vLLM's structured outputs.

`<[12]>` is a token, and `<[12-34,56-78]>` any token of two ranges. Literal texts and regular expressions are not used,
because they would match byte tokens instead of the model's added tokens. The grammar omits the end token, which the
engine allows where the grammar ends.
"""

from __future__ import annotations

from taihri_ros.inference.constrained.automaton import Encode, Symbols, Tokens, tokenize
from taihri_ros.inference.coordinate_ids import CoordinateIds
from taihri_ros.model.grammar import Coordinate, Grammar


def to_lark(grammar: Grammar, encode: Encode, coordinates: CoordinateIds) -> str:
    """Convert a grammar to Lark's notation; each choice becomes a rule, and equal choices share one rule.

    Args:
        grammar: The grammar.
        encode: The tokenizer.
        coordinates: Ids of the coordinate tokens.

    Returns:
        The Lark grammar, with the start rule `start`.
    """
    names: dict[tuple[Symbols, ...], str] = {}
    rules: list[str] = []

    def sequence(symbols: Symbols) -> str:
        return " ".join(map(element, symbols))

    def element(symbol: Tokens | Coordinate | tuple[Symbols, ...]) -> str:
        if isinstance(symbol, Tokens):
            return " ".join(f"<[{token}]>" for token in symbol.ids)
        if isinstance(symbol, Coordinate):
            return "coordinate"
        if symbol not in names:
            branches = " | ".join(sequence(branch) for branch in symbol if branch)
            names[symbol] = f"choice_{len(names)}"
            rules.append(f"{names[symbol]}: {branches}")
        return names[symbol] if all(symbol) else f"{names[symbol]}?"

    start = f"start: {sequence(tokenize(grammar, encode))}"
    ranges = ",".join(f"{first}-{last}" for first, last in coordinates.ranges())
    return "\n".join([start, *rules, f"coordinate: <[{ranges}]>", ""])

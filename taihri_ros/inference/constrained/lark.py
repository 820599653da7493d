"""An answer grammar as a Lark grammar over token ids, which vLLM's structured outputs take.

`<[12]>` is one token and `<[12-34]>` a range. Regular expressions and literal texts would be spelled with byte tokens
instead of the model's added tokens. The end token is left out: the engine allows it by itself where the grammar ends.
"""

from __future__ import annotations

from taihri_ros.inference.constrained.automaton import Encode, Symbols, Tokens, tokenize
from taihri_ros.model.grammar import Coordinate, Grammar


def to_lark(grammar: Grammar, encode: Encode, coordinates: range) -> str:
    """Write a grammar in Lark's notation; each choice becomes a rule, and equal choices share one.

    Args:
        grammar: The grammar.
        encode: The tokenizer.
        coordinates: Ids of the coordinate tokens.

    Returns:
        The Lark grammar; its start rule is `start`.
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
    return "\n".join([start, *rules, f"coordinate: <[{coordinates[0]}-{coordinates[-1]}]>", ""])

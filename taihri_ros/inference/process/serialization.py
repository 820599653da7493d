"""msgpack, and grammars in it: a text stands for itself, None for a coordinate, a list of branches for a choice."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgpack

from taihri_ros.inference.process.fields import ProtocolError
from taihri_ros.model.grammar import Choice, Coordinate, Element, Grammar, Text

_MAX_DEPTH = 8
_GRAMMARS_KEPT = 256


def read_msgpack(packed: bytes | bytearray | memoryview, what: str) -> Any:
    """Read one msgpack value.

    Args:
        packed: Its bytes.
        what: What it is, for the error.

    Returns:
        The value.

    Raises:
        ProtocolError: The bytes are something else.
    """
    try:
        return msgpack.unpackb(packed)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise ProtocolError(f"{what} is not msgpack: {error}") from error


@lru_cache(_GRAMMARS_KEPT)
def pack_grammar(grammar: Grammar) -> bytes:
    """Turn a grammar into bytes; the same one is packed but once."""
    packed: bytes = msgpack.packb(_encode(grammar))
    return packed


@lru_cache(_GRAMMARS_KEPT)
def read_grammar(packed: bytes) -> Grammar:
    """Read a grammar; the same bytes are read but once.

    Args:
        packed: Its bytes.

    Returns:
        The grammar.

    Raises:
        ProtocolError: The bytes are no grammar, or one that is nested too deep.
    """
    return _decode(read_msgpack(packed, "the grammar"), 0)


def _encode(grammar: Grammar) -> list[Any]:
    encoded: list[Any] = []
    for element in grammar:
        if isinstance(element, Text):
            encoded.append(element.text)
        elif isinstance(element, Coordinate):
            encoded.append(None)
        else:
            encoded.append([_encode(branch) for branch in element.branches])
    return encoded


def _decode(elements: Any, depth: int) -> Grammar:
    if not isinstance(elements, list) or depth > _MAX_DEPTH:
        raise ProtocolError(f"a grammar is a list of elements, nested at most {_MAX_DEPTH} deep")
    return tuple(_decode_element(element, depth) for element in elements)


def _decode_element(element: Any, depth: int) -> Element:
    if element is None:
        return Coordinate()
    if isinstance(element, str) and element:
        return Text(element)
    if isinstance(element, list) and element:
        return Choice(tuple(_decode(branch, depth + 1) for branch in element))
    raise ProtocolError("an element of a grammar is a text, None, or a list of branches")

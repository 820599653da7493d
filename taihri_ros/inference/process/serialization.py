"""Serialization with msgpack.

A grammar is a list: a text is a string, a coordinate is nil, and a choice is a list of branches, which are grammars.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgpack

from taihri_ros.inference.process.fields import ProtocolError
from taihri_ros.model.grammar import Choice, Coordinate, Element, Grammar, Text

ANY_TEXT = "surrogatepass"
"""How texts are encoded: a path that is not UTF-8 has characters (surrogates) for which UTF-8 has no code."""

_MAX_DEPTH = 8
"""Deepest accepted nesting of a grammar."""

_GRAMMARS_KEPT = 256


def read_msgpack(data: bytes | bytearray | memoryview, name: str) -> Any:
    """Deserialize one msgpack value.

    Args:
        data: The bytes.
        name: What the value is, for the error.

    Returns:
        The value.

    Raises:
        ProtocolError: The bytes are not valid msgpack.
    """
    try:
        return msgpack.unpackb(data, unicode_errors=ANY_TEXT)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise ProtocolError(f"{name} is not msgpack: {error}") from error


@lru_cache(_GRAMMARS_KEPT)
def serialize_grammar(grammar: Grammar) -> bytes:
    """Serialize a grammar; the bytes of recent grammars are cached."""
    data: bytes = msgpack.packb(_encode(grammar), unicode_errors=ANY_TEXT)
    return data


@lru_cache(_GRAMMARS_KEPT)
def deserialize_grammar(data: bytes) -> Grammar:
    """Deserialize a grammar; recent grammars are cached by their bytes.

    Args:
        data: The bytes.

    Returns:
        The grammar.

    Raises:
        ProtocolError: The bytes are not a grammar, or it is nested too deeply.
    """
    return _decode(read_msgpack(data, "the grammar"), 0)


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
        raise ProtocolError(f"a grammar must be a list of elements, nested at most {_MAX_DEPTH} deep")
    return tuple(_decode_element(element, depth) for element in elements)


def _decode_element(element: Any, depth: int) -> Element:
    if element is None:
        return Coordinate()
    if isinstance(element, str) and element:
        return Text(element)
    if isinstance(element, list) and element:
        return Choice(tuple(_decode(branch, depth + 1) for branch in element))
    raise ProtocolError("an element of a grammar must be a string, nil or a list of branches")

"""YAML as rcl reads it in parameter files and in `-p name:=value`.

rcl has rules of its own (rcl_yaml_param_parser): `1e-3` is a number, `12:30` and `2024-01-31` are text, `y` is true, a
mapping may be continued further down, and aliases are refused. So are characters that its strings cannot hold.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_PLAIN = "plain"
"""Tag of a scalar that is neither quoted nor tagged."""

_STRING = "tag:yaml.org,2002:str"
_BOOLEANS = {
    **dict.fromkeys(("Y", "y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("N", "n", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
_NOTHING = ("", "~", "null", "Null", "NULL")
_INTEGER = re.compile(r"(?P<sign>[-+]?)(?P<digits>0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_LONGEST_INTEGER = 64
"""A longer integer, in characters, is out of every range; it is read as the number inf."""

_NOT_IN_STRINGS = re.compile("[\0\ud800-\udfff]")
_SPECIAL_FLOAT = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class RclYamlError(Exception):
    """A text is not YAML, or is YAML that rcl refuses."""


def read_yaml(text: str) -> list[Any]:
    """Return the documents of a text.

    Args:
        text: YAML.

    Returns:
        The value of each document, of mappings with strings as keys, lists, booleans, integers, floats and strings.

    Raises:
        RclYamlError: The text is not YAML, or is YAML that rcl refuses.
    """
    try:
        return [_value(node) for node in yaml.compose_all(text, _Loader)]
    except yaml.YAMLError as error:
        raise RclYamlError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise RclYamlError("it is nested too deeply") from error


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Return the next node, unless it is an alias."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="ROS 2 accepts no aliases in parameters", problem_mark=mark)
        return super().compose_node(parent, index)

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        """Return the tag of a node that has none."""
        if kind is yaml.ScalarNode and implicit[0]:
            return _PLAIN
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]


def _value(node: yaml.Node) -> Any:
    if not node.tag.startswith((_PLAIN, "tag:yaml.org,2002:")) or ":python/" in node.tag:
        raise _refused(node, f"could not determine a constructor for the tag {node.tag!r}")
    if isinstance(node, yaml.SequenceNode):
        return [_value(entry) for entry in node.value]
    if isinstance(node, yaml.MappingNode):
        return _mapping(node)
    text: str = node.value
    if _NOT_IN_STRINGS.search(text):
        raise _refused(node, "a text must not contain NUL or half of a surrogate pair")
    if node.tag == _STRING:
        return text
    if text in _NOTHING:
        raise _refused(node, "a value is missing (write '' for an empty text)")
    return _scalar(text)


def _mapping(node: yaml.MappingNode) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, entry in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _refused(key, "a name must be text")
        _merge(values, {key.value: _value(entry)})
    return values


def _merge(values: dict[str, Any], others: dict[str, Any]) -> None:
    """Add entries to a mapping: an entry that exists already is replaced, but mappings of one name are joined."""
    for key, value in others.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            _merge(values[key], value)
        else:
            values[key] = value


def _scalar(text: str) -> bool | int | float | str:
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if len(text) <= _LONGEST_INTEGER and (found := _INTEGER.fullmatch(text)):
        digits = found["digits"]
        base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10
        return int(found["sign"] + digits, base)
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(text.replace(".", "")) if _SPECIAL_FLOAT.fullmatch(text) else text


def _refused(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)

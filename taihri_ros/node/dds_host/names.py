"""ROS 2 names: validation, expansion and remapping.

The rules are those of rcl and rmw (https://design.ros2.org/articles/topic_and_service_names.html). An absolute name
stays as it is, a relative name goes under the namespace, and `~` is replaced by the node's full name. Then the first
matching rule `from:=to` replaces the name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from taihri_ros.node.dds_host.errors import DdsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_NODE_NAME = 255
MAX_TOPIC_NAME = 247
"""Longest absolute name: DDS allows 255 characters, and ROS adds up to eight."""

_TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Remap:
    """One rule `[node:]from:=to`, as written after `--ros-args -r`.

    Attributes:
        source: The name to replace; `__node` and `__ns` are the node's own name and namespace.
        target: The new name.
        node: The only node that the rule applies to; None for every node.
    """

    source: str
    target: str
    node: str | None = None

    @classmethod
    def parse(cls, rule: str) -> Remap:
        """Parse a rule.

        Args:
            rule: Text such as `image:=/camera/image_raw` or `taihri:__ns:=/robot1`.

        Returns:
            The rule.

        Raises:
            DdsError: The text is not `from:=to`.
        """
        source, separator, target = rule.partition(":=")
        node, colon, name = source.rpartition(":")
        if not separator or not name or not target or (colon and not node):
            raise DdsError(f"remapping rule {rule!r} is not of the form 'from:=to' or 'node:from:=to'")
        return cls(name, target, node or None)


def node_identity(name: str, namespace: str = "/", remaps: Iterable[str] = ()) -> tuple[str, str]:
    """Apply `__node` and `__ns` rules to a node's name and namespace, and check both.

    Args:
        name: Node name without slashes.
        namespace: Namespace; a missing leading slash is added.
        remaps: Rules `[node:]from:=to`.

    Returns:
        The name and the absolute namespace.

    Raises:
        DdsError: A name or a rule is not valid.
    """
    for source in ("__node", "__ns"):
        target = next((rule.target for rule in _rules(remaps, name) if rule.source == source), None)
        if target and source == "__ns":
            namespace = target
        elif target:
            name = target
    if not _TOKEN.fullmatch(name) or len(name) > MAX_NODE_NAME:
        raise DdsError(
            f"node name {name!r} is not valid: use letters, digits and '_', no digit first, at most {MAX_NODE_NAME}"
        )
    namespace = "/" + namespace.removeprefix("/")
    if namespace != "/":
        _check_absolute(namespace, f"namespace {namespace!r}")
    return name, namespace


def resolve(name: str, node_name: str, namespace: str = "/", remaps: Iterable[str] = ()) -> str:
    """Resolve a topic name as a ROS 2 node does.

    Args:
        name: Absolute (`/tf`), relative (`image`) or private (`~/command`) name.
        node_name: The node's name.
        namespace: The node's absolute namespace.
        remaps: Rules `[node:]from:=to`; the first that matches the expanded name wins, and is applied once.

    Returns:
        The absolute name, without the prefix `rt` that it has on DDS.

    Raises:
        DdsError: The name, a rule, or the remapped name is not valid.
    """
    expanded = _expand(name, node_name, namespace)
    for rule in _rules(remaps, node_name):
        if not rule.source.startswith("__") and _expand(rule.source, node_name, namespace) == expanded:
            return _expand(rule.target, node_name, namespace)
    return expanded


def _rules(remaps: Iterable[str], node_name: str) -> Iterator[Remap]:
    """Return the rules that apply to this node."""
    for rule in map(Remap.parse, remaps):
        if rule.node in (None, node_name):
            yield rule


def _expand(name: str, node_name: str, namespace: str) -> str:
    prefix = namespace.rstrip("/")
    if name == "~" or name.startswith("~/"):
        absolute = f"{prefix}/{node_name}{name[1:]}"
    elif name.startswith("/"):
        absolute = name
    else:
        absolute = f"{prefix}/{name}"
    _check_absolute(absolute, f"topic name {name!r}")
    return absolute


def _check_absolute(name: str, what: str) -> None:
    tokens = name.split("/")[1:]
    if not all(_TOKEN.fullmatch(token) for token in tokens):
        raise DdsError(
            f"{what} is not valid: between single slashes use letters, digits and '_', no digit first, "
            "and '~' only as '~/' at the start"
        )
    if len(name) > MAX_TOPIC_NAME:
        raise DdsError(
            f"{what} is not valid: {len(name)} characters when absolute, at most {MAX_TOPIC_NAME} are allowed"
        )

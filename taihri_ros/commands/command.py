"""What the user asked for, made safe: named joints, free words, or `stop`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from taihri_ros.errors import TaihriError
from taihri_ros.skeleton import JOINTS, in_order

MAX_LENGTH = 500
"""Default limit of a command in characters."""

_SPECIAL_TOKEN = re.compile(r"<\|[^<>]*\|>|</?[^<>\s]{1,32}>")
_CLOSING = " .!?"
_SPELLINGS = {joint.replace("_", ""): joint for joint in JOINTS}
_JOINERS = re.compile(r"\s*(?:,|;|\band\b|&|\+)\s*")


class CommandError(TaihriError):
    """The command cannot be put to the model."""


@dataclass(frozen=True)
class Command:
    """A command that is safe to put to the model.

    Attributes:
        text: The words, without control characters and special-token text.
        joints: The joints that it names, in the skeleton's order; empty when the model is to choose.
    """

    text: str
    joints: tuple[str, ...] = ()


def parse_command(text: str, *, max_length: int = MAX_LENGTH, allow: Collection[str] = ()) -> Command | None:
    """Read a command as it came from a topic, a command line or a service.

    A list of nothing but joint names, in any spelling ("left wrist", `left_wrist`, "Left Wrist and head"), names
    joints; anything else is free words. Text that the tokenizer would read as a control token is taken out of it.

    Args:
        text: What was received.
        max_length: Longest command accepted, in characters.
        allow: Where not empty, the only commands accepted; upper and lower case are the same, and joint lists match
            in any spelling.

    Returns:
        The command, or None for `stop`.

    Raises:
        CommandError: The command is empty, too long, has nothing but control characters in it, or is not allowed.
    """
    if len(text) > max_length:
        raise CommandError(f"the command has {len(text)} characters, at most {max_length} are accepted: say it shorter")
    words = _clean(text)
    if not words:
        raise CommandError(f"the command {text[:40]!r} holds no words: say what to do, name joints, or say 'stop'")
    if words.casefold().rstrip(_CLOSING) == "stop":
        return None
    command = Command(words, _named_joints(words))
    if allow and not any(_same(command, entry) for entry in allow):
        raise CommandError(
            f"the command {words[:80]!r} is not on the list of allowed commands (parameter command.allow)"
        )
    return command


def joint_command(joints: Collection[str]) -> Command:
    """Make the command that names joints.

    Args:
        joints: Joint names.

    Returns:
        The command, its joints in the skeleton's order.

    Raises:
        CommandError: A name is not a joint, or there is none.
    """
    if unknown := sorted(set(joints) - set(JOINTS)):
        raise CommandError(f"{unknown[0]!r} is not a joint; the joints are {', '.join(JOINTS)}")
    if not joints:
        raise CommandError("no joint is named")
    ordered = in_order(frozenset(joints))
    return Command(", ".join(ordered), ordered)


def _clean(text: str) -> str:
    printable = "".join(" " if unicodedata.category(c)[0] in "CZ" or c == "\ufffd" else c for c in text)
    previous = None
    while previous != printable:
        previous, printable = printable, _SPECIAL_TOKEN.sub(" ", printable)
    return " ".join(printable.split())


def _named_joints(words: str) -> tuple[str, ...]:
    parts = [part for part in _JOINERS.split(words.casefold().rstrip(_CLOSING)) if part]
    names = {_SPELLINGS.get(re.sub(r"[\s_-]", "", part.removeprefix("the "))) for part in parts}
    return () if None in names else in_order({name for name in names if name})


def _same(command: Command, entry: str) -> bool:
    words = _clean(entry)
    return command.text.casefold() == words.casefold() or (
        bool(command.joints) and command.joints == _named_joints(words)
    )

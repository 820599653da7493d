"""The command of a user, checked and cleaned: named joints, free words, or `stop`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from taihri_ros.errors import TaihriError
from taihri_ros.skeleton import JOINTS, in_order

MAX_LENGTH = 500
"""Default limit of the length of a command, in characters."""

_SPECIAL_TOKEN = re.compile(r"<\|[^<>]*\|>|</?[^<>\s]{1,32}>")
_CLOSING_MARKS = " .!?"
_JOINT_WITHOUT_SEPARATORS = {joint.replace("_", ""): joint for joint in JOINTS}
_LIST_SEPARATORS = re.compile(r"\s*(?:,|;|\band\b|&|\+)\s*")


class CommandError(TaihriError):
    """An error for a command that cannot be sent to the model."""


@dataclass(frozen=True)
class Command:
    """A command that is safe to send to the model.

    Attributes:
        text: The words, without control characters and without the text of special tokens.
        joints: The joints that the command names, in the skeleton's order; empty if the model chooses them.
    """

    text: str
    joints: tuple[str, ...] = ()


def parse_command(text: str, *, max_length: int = MAX_LENGTH, allow: Collection[str] = ()) -> Command | None:
    """Parse the text of a command from a topic, a command line or a service.

    A list of joint names in any notation ("left wrist", `left_wrist`, "Left Wrist and head") is a command with named
    joints; any other text is a command in free words. Text that the tokenizer would read as a special token is
    removed.

    Args:
        text: The received text.
        max_length: Maximum length in characters.
        allow: The only accepted commands, or empty to accept all. The case is ignored, and joint lists match in any
            notation.

    Returns:
        The command, or None for `stop`.

    Raises:
        CommandError: The command is too long, contains no words after cleaning, or is not allowed.
    """
    if len(text) > max_length:
        raise CommandError(f"the command has {len(text)} characters, at most {max_length} are accepted: shorten it")
    words = _clean(text)
    if not words:
        raise CommandError(f"the command {text[:40]!r} holds no words: describe a task, name joints, or use 'stop'")
    if words.casefold().rstrip(_CLOSING_MARKS) == "stop":
        return None
    command = Command(words, _named_joints(words))
    if allow and not any(_same(command, entry) for entry in allow):
        raise CommandError(
            f"the command {words[:80]!r} is not on the list of allowed commands: use one of the list, or add it to the "
            "parameter command.allow"
        )
    return command


def joint_command(joints: Collection[str]) -> Command:
    """Return the command that names the given joints.

    Args:
        joints: Joint names in any order.

    Returns:
        The command, with its joints in the skeleton's order.

    Raises:
        CommandError: A name is not a joint, or `joints` is empty.
    """
    if unknown := sorted(set(joints) - set(JOINTS)):
        raise CommandError(f"{unknown[0]!r} is not a joint; the joints are {', '.join(JOINTS)}")
    if not joints:
        raise CommandError("no joint is named: name at least one")
    ordered = in_order(frozenset(joints))
    return Command(", ".join(ordered), ordered)


def _clean(text: str) -> str:
    printable = "".join(" " if unicodedata.category(c)[0] in "CZ" or c == "\ufffd" else c for c in text)
    previous = None
    while previous != printable:
        previous, printable = printable, _SPECIAL_TOKEN.sub(" ", printable)
    return " ".join(printable.split())


def _named_joints(words: str) -> tuple[str, ...]:
    parts = [part for part in _LIST_SEPARATORS.split(words.casefold().rstrip(_CLOSING_MARKS)) if part]
    names = {_JOINT_WITHOUT_SEPARATORS.get(re.sub(r"[\s_-]", "", part.removeprefix("the "))) for part in parts}
    return () if None in names else in_order({name for name in names if name})


def _same(command: Command, entry: str) -> bool:
    words = _clean(entry)
    return command.text.casefold() == words.casefold() or (
        bool(command.joints) and command.joints == _named_joints(words)
    )

"""The command of a user, checked and cleaned: named joints, free words, a negated sentence, or `stop`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, replace

from taihri_ros.commands.joint_lists import misspelt_joint, named_joints
from taihri_ros.commands.negation import negating_words
from taihri_ros.commands.person_words import PersonWords, PersonWordsError, Whom, find_person_words
from taihri_ros.commands.stop_words import means_stop
from taihri_ros.errors import TaihriError
from taihri_ros.skeleton import JOINTS, in_order

MAX_LENGTH = 500
"""Default limit of the length of a command, in characters."""

_SPECIAL_TOKEN = re.compile(r"<\|[^<>]*\|>|</?[^<>\s]{1,32}>")
_NO_SPEECH = re.compile(
    r"[\[(*\u266a ]+(?:blank[_ ]audio|silence|no speech|inaudible|(?:\w+ )?music(?: playing)?|applause|laughter|noise)"
    r"[\])*\u266a ]+|[\u266a\u266b ]+",
    re.IGNORECASE,
)
"""What Whisper writes where nobody speaks, such as [BLANK_AUDIO]."""

_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Surrogates that stand for no byte."""

_DAMAGED = re.compile(r"\w\ufffd|\ufffd\w")
"""A word that has lost a letter: it may have been one that negates the command, such as jam\u00e1s."""

_STOP_LENGTH = 200
"""Length of the beginning in which a text that is too long can still be an order to stop, in characters."""


class CommandError(TaihriError):
    """An error for a command that cannot be sent to the model."""


@dataclass(frozen=True)
class Command:
    """A command that is safe to send to the model.

    Attributes:
        text: The words, without control characters and without the text of special tokens.
        joints: The joints that the command names, in the skeleton's order; empty for free words.
        negation: What negates the command, such as `do not`, so that it chooses no joint; empty for nothing.
        whom: Whom the command means, if several people are told apart; None if it does not say.
        task: The words with "the person" in place of those that say whom; empty if none do.
    """

    text: str
    joints: tuple[str, ...] = ()
    negation: str = ""
    whom: Whom | None = None
    task: str = ""

    @property
    def for_anyone(self) -> Command:
        """The same command to whoever is selected, as the model or the task table reads it."""
        return replace(self, text=self.task or self.text, whom=None, task="")


def parse_command(
    text: str,
    *,
    max_length: int = MAX_LENGTH,
    allow: Collection[str] = (),
    people: Collection[str] | None = None,
) -> Command | None:
    """Parse the text of a command from a topic, a command line or a service.

    A list of joint names in any notation ("left wrist", `left_wrist`, "Left Wrist and head") is a command with named
    joints; any other text is a command in free words, negated or not. Text that the tokenizer would read as a special
    token is removed. An order to stop is never too long and never forbidden. Nor is a negated command forbidden, which
    asks for nothing and ends the command before it. A text with words that were not UTF-8 counts as negated.

    Args:
        text: The received text.
        max_length: Maximum length in characters.
        allow: The only accepted commands, or empty to accept all. The case is ignored, and joint lists match in any
            notation. Words that say whom the command means do not count.
        people: Ids of the tracked people, if words may say whom the command means; None to read no such words.

    Returns:
        The command, or None for `stop`.

    Raises:
        CommandError: The command is too long, contains no words after cleaning or only says that nobody spoke, is not
            allowed, is a list of joints with a wrong name, or does not say clearly whom it means.

    Example:
        >>> parse_command("Left Wrist and head").joints, parse_command("don't shake my hand").negation
        (('head', 'left_wrist'), "don't")
    """
    text = _decoded(text)
    if means_stop(_SPECIAL_TOKEN.sub(" ", text[: max(_STOP_LENGTH, min(len(text), max_length))])):
        return None
    if len(text) > max_length:
        raise CommandError(f"the command has {len(text)} characters, at most {max_length} are accepted: shorten it")
    words = _clean(text)
    if not _holds_words(words):
        raise CommandError(f"the command {text[:40]!r} holds no words: describe a task, name joints, or use 'stop'")
    said = _person_words(words, people)
    joints = named_joints(said.text)
    damage = "letters that are not UTF-8" if _DAMAGED.search(text) else ""
    negation = "" if joints else damage or negating_words(said.text)
    command = Command(words, joints, negation, said.whom, said.text if said.whom else "")
    if allow and not command.negation and not any(_same(command.for_anyone, entry) for entry in allow):
        raise CommandError(
            f"the command {words[:80]!r} is not on the list of allowed commands: use one of the list, or add it to the "
            "parameter command.allow"
        )
    if not joints and not command.negation and (wrong := misspelt_joint(said.text)):
        name, nearest = wrong
        hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"the joints are {', '.join(JOINTS)}"
        raise CommandError(f"{name[:40]!r} is not the name of a joint: {hint}")
    return command


def refuse_stop(command: Command | None) -> Command:
    """Return a command, where one is needed that requests joints.

    Args:
        command: The result of `parse_command`.

    Raises:
        CommandError: The command is `stop`.
    """
    if command is None:
        raise CommandError("'stop' requests no joints: name joints, or describe the task")
    return command


def _holds_words(text: str) -> bool:
    """Return whether a text has any letter, digit or symbol, and is not a speech recogniser's note of silence."""
    written = any(unicodedata.category(c)[0] in "LN" or unicodedata.category(c) == "So" for c in text)
    return written and not _NO_SPEECH.fullmatch(text)


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


def _person_words(words: str, people: Collection[str] | None) -> PersonWords:
    """Return whom a command means; nobody in particular if such words are not read."""
    if people is None:
        return PersonWords(words)
    try:
        return find_person_words(words, people)
    except PersonWordsError as error:
        raise CommandError(str(error)) from error


def _decoded(text: str) -> str:
    """Return a text whose bytes that Python left undecoded, as on a command line in the C locale, are read as UTF-8."""
    return _NO_BYTE.sub("\ufffd", text).encode(errors="surrogateescape").decode(errors="replace")


def _clean(text: str) -> str:
    printable = "".join(" " if unicodedata.category(c)[0] in "CZ" or c == "\ufffd" else c for c in text)
    previous = None
    while previous != printable:
        previous, printable = printable, _SPECIAL_TOKEN.sub(" ", printable)
    return " ".join(printable.split())


def _same(command: Command, entry: str) -> bool:
    words = _clean(entry)
    return command.text.casefold() == words.casefold() or (
        bool(command.joints) and command.joints == named_joints(words)
    )

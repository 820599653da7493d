"""Random commands as people say and type them, from the patterns in `training_phrasings.yaml`.

Besides tasks and questions about joints there are commands that ask for nothing: chatter, other work, the robot's own
body, negated orders, and parts of the body that are only mentioned.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping

import yaml

from taihri_ros.commands.command import CommandError, parse_command
from taihri_ros.commands.random_commands.phrase_grammar import Pattern
from taihri_ros.commands.task_table import SENTENCE_ENDS, SIDES
from taihri_ros.commands.tasks import Tasks
from taihri_ros.resources import PACKAGE
from taihri_ros.skeleton import in_order

PHRASINGS_FILE = PACKAGE / "data" / "training_phrasings.yaml"
"""The patterns that come with the package."""

_JOINT_NAMES = (1, 1, 1, 2, 2, 3)
"""The number of names in a question is chosen uniformly from these."""

_ME = 0.5
"""Share of the sentences in which the person speaks of "me"."""

_OPENING, _CLOSING, _FILLER, _TYPO = 0.2, 0.15, 0.08, 0.06
"""Shares of the sentences with polite words before or after them, with a filler, and with a typing error."""

_SPOKEN, _SHOUTED = 0.4, 0.01
"""Shares of the sentences in lower case without any mark, as a speech recogniser writes, and in capitals."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SHORTEST_MISTYPED = 4
_CAPITAL = 0.75
"""Share of the written sentences that begin with a capital."""


class Phrasings:
    """Random commands for the tasks of a table, for questions about joints, and commands that ask for nothing.

    Example:
        >>> import random
        >>> from taihri_ros.commands.tasks import Tasks
        >>> phrasings = Phrasings(Tasks.load())
        >>> phrasings.sample_task(random.Random(0))
        ('Read how I feel from my face, be careful.', ('neck', 'head'))
        >>> phrasings.sample_nothing(random.Random(3))
        'i need you to walk to the tray without hurting me'
    """

    def __init__(self, tasks: Tasks) -> None:
        """Read the patterns.

        Args:
            tasks: The task table, which has the joints of the tasks. Patterns of other tasks are left out.
        """
        content = yaml.safe_load(PHRASINGS_FILE.read_text(encoding="utf-8"))
        words: Mapping[str, list[str]] = content["words"]

        def patterns(entries: list[str]) -> list[Pattern]:
            return [Pattern(entry, words) for entry in entries]

        self._joints = {task.name: task.joints for task in tasks.tasks}
        self._held_out = {_bare(text) for task in tasks.tasks for text in task.held_out}
        self._tasks = {name: patterns(entries) for name, entries in content["tasks"].items() if name in self._joints}
        self._frames = {kind: patterns(entries) for kind, entries in content["frames"].items()}
        self._questions = patterns(content["questions"])
        self._nothing = [
            (form, patterns(entries)) for form, kinds in content["nothing"].items() for entries in kinds.values()
        ]
        self._persons: list[Mapping[str, str]] = content["persons"]
        self._names: list[tuple[list[str], Pattern]] = [
            *(
                ([joint], Pattern(f"[the|{{my}}] ({'|'.join(spoken)})", words))
                for joint, spoken in content["names"].items()
            ),
            *((joints, Pattern(spoken, words)) for spoken, joints in content["groups"].items()),
        ]

    def sample_task(self, rng: random.Random) -> tuple[str, tuple[str, ...]]:
        """Sample a sentence that asks for a task.

        Args:
            rng: The random number generator.

        Returns:
            The sentence, and the joints of the task in the skeleton's order.
        """

        def sample() -> tuple[str, tuple[str, ...]]:
            name = rng.choice(list(self._tasks))
            text = rng.choice(self._tasks[name]).sample(rng)
            if "{side}" in text:
                side = rng.choice(SIDES)
                name, text = f"{name}_{side}", text.replace("{side}", side)
            return self._finished(rng, text), self._joints[name]

        return self._accepted(sample)

    def sample_question(self, rng: random.Random) -> tuple[str, tuple[str, ...]]:
        """Sample a question about joints, or another sentence that names the joints it needs.

        Args:
            rng: The random number generator.

        Returns:
            The sentence, and its joints in the skeleton's order.
        """

        def sample() -> tuple[str, tuple[str, ...]]:
            names: list[str] = []
            joints: set[str] = set()
            person = self._person(rng)
            for group, spoken in rng.sample(self._names, rng.choice(_JOINT_NAMES)):
                side = rng.choice(SIDES)
                names.append(spoken.sample(rng).format(side=side, **person))
                joints |= {joint.replace("{side}", side) for joint in group}
            listed = rng.choice((" and ", ", ", " and also ", " as well as ")).join(names)
            text = rng.choice(self._questions).sample(rng).replace("{joints}", listed)
            text = text.replace("{is}", "is" if len(joints) == 1 else "are")
            return self._finished(rng, text), in_order(frozenset(joints))

        return self._accepted(sample)

    def sample_nothing(self, rng: random.Random) -> str:
        """Sample a command that asks for no joint.

        Args:
            rng: The random number generator.

        Returns:
            The command.
        """

        def sample() -> tuple[str, tuple[str, ...]]:
            form, patterns = rng.choice(self._nothing)
            text = rng.choice(patterns).sample(rng).replace("{side}", rng.choice(SIDES))
            return self._finished(rng, text, framed=form == "order"), ()

        return self._accepted(sample)[0]

    def count(self) -> int:
        """Return the number of sentences that the patterns stand for, without persons, frames and spelling."""
        nothing = [pattern for _, patterns in self._nothing for pattern in patterns]
        tasks = [pattern for patterns in self._tasks.values() for pattern in patterns]
        return sum(pattern.count for pattern in (*tasks, *nothing, *self._questions))

    def _accepted(self, sample: Callable[[], tuple[str, tuple[str, ...]]]) -> tuple[str, tuple[str, ...]]:
        """Return the first sample that is not held out, and that the node would put to the model as it is meant."""
        while True:
            text, joints = sample()
            if _bare(text) not in self._held_out and _may_ask(text, asks=bool(joints)):
                return text, joints

    def _person(self, rng: random.Random) -> Mapping[str, str]:
        return {"me": "me", "my": "my"} if rng.random() < _ME else rng.choice(self._persons)

    def _finished(self, rng: random.Random, text: str, *, framed: bool = True) -> str:
        """Put a sentence into a frame, fill in the person, and write it as people do."""
        mark = text[-1] if text[-1] in SENTENCE_ENDS else ""
        form = "sentence" if mark or not framed else "order"
        words = rng.choice(self._frames[form]).sample(rng).replace(f"{{{form}}}", text.removesuffix(mark))
        words = words.format(**self._person(rng))
        if rng.random() < _OPENING:
            words = f"{rng.choice(self._frames['opening']).text}{rng.choice((' ', ', '))}{words}"
        if rng.random() < _CLOSING:
            words = f"{words}{rng.choice((' ', ', '))}{rng.choice(self._frames['closing']).text}"
        if rng.random() < _FILLER:
            words = _inserted(rng, words, rng.choice(self._frames["filler"]).text)
        if rng.random() < _TYPO:
            words = _mistyped(rng, words)
        words = re.sub(r"\ba (?=[aeiou])", "an ", words)
        return _written(rng, words, mark or rng.choice((".", ".", "!", "")))


def _inserted(rng: random.Random, words: str, filler: str) -> str:
    """Insert a filler between two words, or before the first one."""
    parts = words.split(" ")
    parts.insert(rng.randrange(len(parts)), filler)
    return " ".join(parts)


def _mistyped(rng: random.Random, words: str) -> str:
    """Drop, double, replace or swap a letter in a word that is no side."""
    parts = words.split(" ")
    places = [
        place
        for place, part in enumerate(parts)
        if len(part) >= _SHORTEST_MISTYPED and part.isalpha() and part not in SIDES
    ]
    if not places:
        return words
    place = rng.choice(places)
    part = parts[place]
    at = rng.randrange(1, len(part) - 1)
    before, letter, after = part[:at], part[at], part[at + 1 :]
    parts[place] = rng.choice(
        (
            before + after,
            before + 2 * letter + after,
            before + rng.choice(_LETTERS) + after,
            before + after[0] + letter + after[1:],
        )
    )
    return " ".join(parts)


def _written(rng: random.Random, words: str, mark: str) -> str:
    """Write a sentence as a speech recogniser does, in capitals, or with a capital and a mark or without."""
    style = rng.random()
    if style < _SPOKEN:
        return re.sub(r"[,.?!]", "", words).lower()
    if style < _SPOKEN + _SHOUTED:
        return words.upper()
    words = re.sub(r"\bi\b", "I", words)
    return (words[0].upper() + words[1:] if rng.random() < _CAPITAL else words) + mark


def _bare(text: str) -> str:
    return text.lower().rstrip("".join(SENTENCE_ENDS))


def _may_ask(text: str, asks: bool) -> bool:
    """Check that a text is no list of joints, right or misspelt, and that one that asks is no stop and not negated."""
    try:
        command = parse_command(text)
    except CommandError:
        return False
    if command is None or command.negation:
        return not asks
    return not command.joints

"""Finds the sentence that is nearest to another by the words and pairs of neighbouring words that both have.

The weight of a word is its inverse document frequency, all sentences of a task together being one document; nearness is
the cosine of the weight vectors (Salton, Wong and Yang, A vector space model for automatic indexing, 1975). A word that
no sentence has weighs as much as a word can, so that a sentence about something else is near to none.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import log, sqrt
from typing import TypeAlias

from taihri_ros.commands.task_table import SIDES, Affixes, Questions, Task, TaskError
from taihri_ros.skeleton import in_order

THRESHOLD = 0.45
"""Least nearness, in [0, 1], at which a sentence is taken for another."""

_NAMED = "{joints}"
_WORD = re.compile(r"\{joints\}|[^\W_]+(?:['\u2019][^\W_]+)*")


@dataclass(frozen=True)
class _Entry:
    """A trained sentence: its words without politeness, and the task; None for a question about named joints."""

    words: tuple[str, ...]
    task: Task | None


_Kind: TypeAlias = tuple[frozenset[str], bool]
"""The sides that a sentence speaks of, and whether it is a question about named joints: only the same are compared."""


class PhraseIndex:
    """The trained sentences of all tasks and questions, to look others up in."""

    def __init__(self, tasks: Iterable[Task], questions: Questions, affixes: Affixes) -> None:
        """Index the trained sentences.

        Args:
            tasks: The tasks.
            questions: Sentences about named joints.
            affixes: What may stand around sentences and says nothing.
        """
        self._tasks = tuple(tasks)
        self._joints = {" ".join(_words(name)): joints for name, joints in questions.names.items()}
        spoken, owners = _either(questions.names), _either(("the", *affixes.possessives))
        self._name = re.compile(rf"\b{spoken}\b")
        run = rf"\b(?:{owners} )*{spoken}\b"
        self._run_of_names = re.compile(rf"{run}(?:(?: and)? {run})*")
        self._before = re.compile(rf"^(?:{_either((*affixes.openings, *affixes.requests))} )+")
        self._after = re.compile(rf"(?: {_either((*affixes.closings, *affixes.adverbials))})+$")
        self._entries = [
            *(_Entry(self._bare(said), task) for task in self._tasks for said in task.phrasings),
            *(
                _Entry(self._bare(said.replace("{is}", verb)), None)
                for said in questions.phrasings
                for verb in ("is", "are")
            ),
        ]
        self._exact = {entry.words: entry for entry in self._entries}
        documents: dict[Task | None, set[str]] = defaultdict(set)
        for entry in self._entries:
            documents[entry.task] |= _terms(entry.words)
        frequencies = Counter(term for document in documents.values() for term in document)
        self._unknown_weight = log(1 + len(documents))
        self._weights = {term: log(1 + len(documents) / count) for term, count in frequencies.items()}
        self._norms = [self._norm(entry.words) for entry in self._entries]
        self._places: dict[tuple[_Kind, str], list[int]] = defaultdict(list)
        for place, entry in enumerate(self._entries):
            kind = _kind(entry.words, entry.task is None)
            for term in _terms(entry.words):
                self._places[kind, term].append(place)

    def match(self, text: str) -> Task | None:
        """Find the task of the nearest sentence.

        Args:
            text: Free words.

        Returns:
            The task; for a question about named joints a task `question` with these joints; None when no sentence is
            near enough.
        """
        words = self._bare(text)
        question, named = self._without_names(words)
        candidates = [(words, False), (question, True)] if named else [(words, False)]
        for form, about_names in candidates:
            if (entry := self._exact.get(form)) and (entry.task is None) == about_names:
                return entry.task or Task("question", named, (), ())
        nearness, entry = max((self._nearest(*candidate) for candidate in candidates), key=lambda found: found[0])
        if nearness < THRESHOLD or entry is None:
            return None
        return entry.task or Task("question", named, (), ())

    def check(self) -> None:
        """Check that a sentence asks for one set of joints, and that none is both trained and held out.

        Raises:
            TaskError: One does not.
        """
        names = Counter(task.name for task in self._tasks)
        if twice := [name for name, count in names.items() if count > 1]:
            raise TaskError(f"two tasks are named {twice[0]}: give one another name")
        owners: dict[tuple[str, ...], Task] = {}
        for task in self._tasks:
            for said in (*task.phrasings, *task.held_out):
                words = self._bare(said)
                other = owners.setdefault(words, task)
                if other.name != task.name:
                    raise TaskError(f"tasks {other.name} and {task.name} share the phrasing {said!r}: leave it to one")
                question, named = self._without_names(words)
                if question in self._exact and named and named != task.joints:
                    raise TaskError(
                        f"task {task.name}: the phrasing {said!r} names {', '.join(named)}, but the task needs "
                        f"{', '.join(task.joints)}: say it in another way"
                    )
            trained = {self._bare(said) for said in task.phrasings}
            if both := [said for said in task.held_out if self._bare(said) in trained]:
                raise TaskError(f"task {task.name}: {both[0]!r} is held out and among the phrasings: take one away")

    def _bare(self, text: str) -> tuple[str, ...]:
        """Give the words of a sentence without the polite ones around it."""
        return tuple(self._after.sub("", self._before.sub("", " ".join(_words(text)))).split())

    def _without_names(self, words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Put a placeholder where joints are named; give the words and the joints."""
        sentence = " ".join(words)
        named = {
            joint
            for run in self._run_of_names.finditer(sentence)
            for name in self._name.findall(run[0])
            for joint in self._joints[name]
        }
        return tuple(self._run_of_names.sub(_NAMED, sentence).split()), in_order(frozenset(named))

    def _nearest(self, words: tuple[str, ...], about_names: bool) -> tuple[float, _Entry | None]:
        """Find the nearest sentence that speaks of the same sides."""
        overlap: dict[int, float] = defaultdict(float)
        kind = _kind(words, about_names)
        for term in _terms(words):
            for place in self._places.get((kind, term), ()):
                overlap[place] += self._weights[term] ** 2
        if not overlap:
            return 0.0, None
        nearness, place = max((shared / self._norms[place], place) for place, shared in overlap.items())
        return nearness / self._norm(words), self._entries[place]

    def _norm(self, words: tuple[str, ...]) -> float:
        unknown = sum(word not in self._weights for word in words)
        known = sum(self._weights.get(term, 0.0) ** 2 for term in _terms(words))
        return sqrt(known + unknown * self._unknown_weight**2)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.replace("\u2019", "'") for word in _WORD.findall(text.casefold().replace("_", " ")))


def _either(texts: Iterable[str]) -> str:
    """Give the expression for any of several texts, the longest that fits."""
    normal = sorted((" ".join(_words(text)) for text in texts), key=len, reverse=True)
    return f"(?:{'|'.join(map(re.escape, normal))})"


def _kind(words: tuple[str, ...], about_names: bool) -> _Kind:
    return frozenset(words) & frozenset(SIDES), about_names


def _terms(words: tuple[str, ...]) -> set[str]:
    return {*words, *(" ".join(pair) for pair in pairwise(words))}

"""A search index that finds the trained sentence most similar to a given one.

The terms of a sentence are its words and the pairs of neighbouring words. A term is weighted by its inverse document
frequency, where all sentences of a task are one document. The similarity of two sentences is the cosine of their weight
vectors (Salton, Wong and Yang, A vector space model for automatic indexing, 1975). Unknown words have the largest
weight, so that a sentence about another subject is not similar to any of them. A sentence that mentions neither the
person nor a part of their body ("put the hat on the shelf") must be almost a trained one.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import inf, log, sqrt
from typing import TypeAlias

from taihri_ros.commands.task_table import SIDES, Affixes, Questions, Task, TaskError
from taihri_ros.skeleton import in_order

QUESTION = "question"
"""Name of the task of a question about joints."""

THRESHOLD = 0.6
"""Minimum similarity of a match, in [0, 1]."""

_IMPERSONAL_THRESHOLD = 0.8
"""Minimum similarity for a sentence that does not mention the person; all of its words must be known too."""

_PERSON = frozenset(
    (
        *("me", "my", "mine", "myself", "us", "our", "him", "his", "her", "hers", "them", "their", "friend"),
        *("person", "person's", "visitor", "visitor's"),
    )
)
_BODY = frozenset(
    (
        *("hand", "hands", "fist", "fists", "palm", "palms", "arm", "arms", "wrist", "wrists", "elbow", "elbows"),
        *("shoulder", "shoulders", "knee", "knees", "hip", "hips", "waist", "ankle", "ankles", "foot", "feet", "toes"),
        *("shoe", "shoes", "head", "face", "eyes", "hair", "neck", "collar", "collarbone", "collarbones", "back"),
        *("spine", "spine1", "spine2", "spine3", "pelvis", "handshake", "hug", "cuddle", "embrace", "five", "posture"),
    )
)
"""Parts of the body and gestures; after "your" they are the robot's own."""

_JOINTS_PLACEHOLDER = "{joints}"
_WORD = re.compile(r"\{joints\}|[^\W_]+(?:['\u2019][^\W_]+)*")


@dataclass(frozen=True)
class _Entry:
    """The words of a trained sentence without polite words, and its task; None for a question about named joints."""

    words: tuple[str, ...]
    task: Task | None


_Kind: TypeAlias = tuple[frozenset[str], bool]
"""The sides in a sentence, and whether it is a question about named joints; only sentences of one kind are compared."""


class PhraseIndex:
    """A search index of the trained sentences of all tasks and questions."""

    def __init__(self, tasks: Iterable[Task], questions: Questions, affixes: Affixes) -> None:
        """Index the trained sentences.

        Args:
            tasks: The tasks.
            questions: Sentences about named joints.
            affixes: Polite words around sentences, which are ignored.
        """
        self._tasks = tuple(tasks)
        self._joints = {" ".join(_words(name)): joints for name, joints in questions.names.items()}
        spoken, determiners = _any_of(questions.names), _any_of(("the", *affixes.possessives))
        self._name = re.compile(rf"\b{spoken}\b")
        noun = rf"\b(?:{determiners} )*{spoken}\b"
        self._list_of_names = re.compile(rf"{noun}(?:(?: and)? {noun})*")
        self._prefix = re.compile(rf"^(?:{_any_of((*affixes.openings, *affixes.requests))} )+")
        self._suffix = re.compile(rf"(?: {_any_of((*affixes.closings, *affixes.adverbials))})+$")
        self._entries = [
            *(_Entry(self._core_words(phrasing), task) for task in self._tasks for phrasing in task.phrasings),
            *(
                _Entry(self._core_words(phrasing.replace("{is}", verb)), None)
                for phrasing in questions.phrasings
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
        self._entries_with: dict[tuple[_Kind, str], list[int]] = defaultdict(list)
        for index, entry in enumerate(self._entries):
            kind = _kind(entry.words, entry.task is None)
            for term in _terms(entry.words):
                self._entries_with[kind, term].append(index)

    def exact(self, text: str) -> Task | None:
        """Return the task of a sentence that is a trained one, apart from polite words.

        Args:
            text: Free words.

        Returns:
            The task; a task named `question` for a question about joints; None for any other sentence.
        """
        for words, joints in self._readings(text):
            if (entry := self._exact.get(words)) and (entry.task is None) == bool(joints):
                return entry.task or Task(QUESTION, joints, (), ())
        return None

    def similar(self, text: str) -> Task | None:
        """Return the task of the most similar sentence.

        Args:
            text: Free words.

        Returns:
            The task; a task named `question` for a question about joints; None if the similarity is below THRESHOLD, or
            too low for a sentence that does not mention the person.
        """
        readings = self._readings(text)
        (similarity, entry), joints = max(
            ((self._most_similar(words, bool(joints)), joints) for words, joints in readings),
            key=lambda found: found[0][0],
        )
        words = readings[0][0]
        if entry is None or similarity < (THRESHOLD if _mentions_person(words) else self._impersonal_threshold(words)):
            return None
        return entry.task or Task(QUESTION, joints, (), ())

    def _readings(self, text: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        """Return the words of a sentence, and if it names joints, also the words of the question with the joints."""
        words = self._core_words(text)
        question, joints = self._replace_names(words)
        return [(words, ()), (question, joints)] if joints else [(words, ())]

    def check(self) -> None:
        """Check that every sentence belongs to one task, and is either trained or held out.

        Raises:
            TaskError: Two tasks share a name or a sentence, a sentence names other joints than its task needs, or a
                sentence is both trained and held out.
        """
        names = Counter(task.name for task in self._tasks)
        if duplicates := [name for name, count in names.items() if count > 1]:
            raise TaskError(f"two tasks are named {duplicates[0]}: rename one")
        owners: dict[tuple[str, ...], Task] = {}
        for task in self._tasks:
            words_of = {phrasing: self._core_words(phrasing) for phrasing in (*task.phrasings, *task.held_out)}
            for phrasing, words in words_of.items():
                other = owners.setdefault(words, task)
                if other.name != task.name:
                    raise TaskError(
                        f"tasks {other.name} and {task.name} share the phrasing {phrasing!r}: remove it from one"
                    )
                question, joints = self._replace_names(words)
                if question in self._exact and joints and joints != task.joints:
                    raise TaskError(
                        f"task {task.name}: the phrasing {phrasing!r} names {', '.join(joints)}, but the task needs "
                        f"{', '.join(task.joints)}: reword it"
                    )
            trained = {words_of[phrasing] for phrasing in task.phrasings}
            if both := [phrasing for phrasing in task.held_out if words_of[phrasing] in trained]:
                raise TaskError(f"task {task.name}: {both[0]!r} is in phrasings and in held_out: remove it from one")

    def _core_words(self, text: str) -> tuple[str, ...]:
        """Return the words of a sentence without the polite words around it."""
        return tuple(self._suffix.sub("", self._prefix.sub("", " ".join(_words(text)))).split())

    def _replace_names(self, words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Replace every list of joint names by a placeholder; return the words and the joints."""
        sentence = " ".join(words)
        joints = {
            joint
            for names in self._list_of_names.finditer(sentence)
            for name in self._name.findall(names[0])
            for joint in self._joints[name]
        }
        replaced = self._list_of_names.sub(_JOINTS_PLACEHOLDER, sentence)
        return tuple(replaced.split()), in_order(frozenset(joints))

    def _most_similar(self, words: tuple[str, ...], is_question: bool) -> tuple[float, _Entry | None]:
        """Return the similarity and the entry of the most similar sentence of the same kind."""
        overlap: dict[int, float] = defaultdict(float)
        kind = _kind(words, is_question)
        for term in _terms(words):
            for index in self._entries_with.get((kind, term), ()):
                overlap[index] += self._weights[term] ** 2
        if not overlap:
            return 0.0, None
        similarity, index = max((shared / self._norms[index], index) for index, shared in overlap.items())
        return similarity / self._norm(words), self._entries[index]

    def _impersonal_threshold(self, words: tuple[str, ...]) -> float:
        return _IMPERSONAL_THRESHOLD if all(word in self._weights for word in words) else inf

    def _norm(self, words: tuple[str, ...]) -> float:
        unknown = sum(word not in self._weights for word in words)
        known = sum(self._weights.get(term, 0.0) ** 2 for term in _terms(words))
        return sqrt(known + unknown * self._unknown_weight**2)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.replace("\u2019", "'") for word in _WORD.findall(text.casefold().replace("_", " ")))


def _any_of(texts: Iterable[str]) -> str:
    """Return a regular expression that matches any of the texts, longer ones first."""
    normal = sorted((" ".join(_words(text)) for text in texts), key=len, reverse=True)
    return f"(?:{'|'.join(map(re.escape, normal))})"


def _mentions_person(words: tuple[str, ...]) -> bool:
    """Check whether a sentence mentions the person, or a part of a body that is not the robot's."""
    noun_phrases = [word for word in words if word not in SIDES]
    return any(
        word in _PERSON or (word in _BODY and before != "your")
        for before, word in zip(("", *noun_phrases), noun_phrases, strict=False)
    )


def _kind(words: tuple[str, ...], is_question: bool) -> _Kind:
    return frozenset(words) & frozenset(SIDES), is_question


def _terms(words: tuple[str, ...]) -> set[str]:
    return {*words, *(" ".join(pair) for pair in pairwise(words))}

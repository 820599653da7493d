"""Tasks of close-range interaction: sentences to train on, and the joints of a sentence when a model cannot choose."""

from __future__ import annotations

import random
from collections.abc import Collection
from functools import cached_property
from pathlib import Path

from taihri_ros.commands.phrase_index import PhraseIndex
from taihri_ros.commands.task_files import read_task_files
from taihri_ros.commands.task_table import SENTENCE_ENDS, Task, TaskTable
from taihri_ros.resources import PACKAGE
from taihri_ros.skeleton import JOINTS, in_order

TASKS_FILE = PACKAGE / "data" / "tasks.yaml"
"""The tasks that come with the package."""

_FREE_COUNTS = (1, 1, 1, 2, 2, 2, 3, 4)


class Tasks:
    """All tasks, and the sentences that ask for them."""

    def __init__(self, table: TaskTable) -> None:
        """Take what task files say; `load` reads them.

        Args:
            table: What they say.

        Raises:
            TaskError: A sentence asks for two sets of joints, or is held out and trained on.
        """
        self.tasks = table.tasks
        self.questions = table.questions
        self.affixes = table.affixes
        self._index.check()

    @classmethod
    def load(cls, *extra_files: Path | str) -> Tasks:
        """Read the tasks that come with the package and a user's own.

        Args:
            extra_files: Task files that add to the package's tasks or change them, later ones over earlier ones.

        Returns:
            The tasks.

        Raises:
            TaskError: A file is not readable or not in the layout, a sentence asks for two sets of joints, or one is
                held out and trained on.
        """
        return cls(read_task_files([TASKS_FILE, *map(Path, extra_files)]))

    def __getitem__(self, name: str) -> Task:
        """Give a task by its name."""
        return next(task for task in self.tasks if task.name == name)

    @cached_property
    def _index(self) -> PhraseIndex:
        return PhraseIndex(self.tasks, self.questions, self.affixes)

    def match(self, text: str) -> Task | None:
        """Find the task that a sentence asks for, from its words alone.

        Args:
            text: Free words.

        Returns:
            The task; for a sentence about named joints a task `question` with these joints; None when unsure.
        """
        return self._index.match(text)

    def sample_task(self, rng: random.Random, *, held_out: bool = False) -> tuple[str, tuple[str, ...]]:
        """Draw a task and a sentence that asks for it, as somebody would type or say it.

        Args:
            rng: Where the choices come from.
            held_out: Draw from the held-out sentences.

        Returns:
            The sentence and the joints that it needs, in the skeleton's order.
        """
        task = rng.choice([task for task in self.tasks if task.held_out or not held_out])
        return self.sample_phrasing(rng, task, held_out=held_out), task.joints

    def sample_phrasing(self, rng: random.Random, task: Task, *, held_out: bool = False) -> str:
        """Draw a sentence that asks for a given task.

        Args:
            rng: Where the choices come from.
            task: The task.
            held_out: Draw from its held-out sentences.

        Returns:
            The sentence, with or without a polite word, a capital and a mark.
        """
        return self._wrap(rng, rng.choice(task.held_out if held_out else task.phrasings))

    def sample_question(
        self, rng: random.Random, joints: Collection[str] | None = None, *, held_out: bool = False
    ) -> tuple[str, tuple[str, ...]]:
        """Draw a sentence about joints that it names.

        Args:
            rng: Where the choices come from.
            joints: Names of the joints; None to draw one to four.
            held_out: Draw from the held-out sentences.

        Returns:
            The sentence and its joints, in the skeleton's order.
        """
        questions = self.questions
        wanted = set(self._some_joints(rng) if joints is None else joints)
        names = self._names(rng, wanted)
        template = rng.choice(questions.held_out if held_out else questions.phrasings)
        separators = rng.choice(((", ", " and "), (", ", ", and "), (", ", ", "), (" and ", " and ")))
        listed = separators[1].join(part for part in (separators[0].join(names[:-1]), names[-1]) if part)
        plural = len(wanted) > 1
        sentence = template.replace("{joints}", listed).replace("{is}", "are" if plural else "is")
        return self._wrap(rng, sentence), in_order(wanted)

    def corpus(self) -> list[str]:
        """List sentences that hold all words of the trained ones, to train a tokenizer on.

        Returns:
            Every trained sentence, as written and in lower case, and every spoken name and polite word in one. None
            that is held out.
        """
        sentences = [sentence for task in self.tasks for sentence in task.phrasings]
        names = list(self.questions.names)
        for place, template in enumerate(self.questions.phrasings):
            for number, verb in enumerate(("is", "are")):
                named = names[(2 * place + number) % len(names)]
                sentences.append(template.replace("{joints}", named).replace("{is}", verb))
        affixes = self.affixes
        for words in (affixes.openings, affixes.requests, affixes.closings, affixes.adverbials, affixes.possessives):
            sentences += [f"{word} {name}" for word in words for name in names]
        return list(dict.fromkeys(form for said in sentences for form in (said, said.lower(), _capital(said))))

    def _some_joints(self, rng: random.Random) -> Collection[str]:
        groups = [joints for joints in self.questions.names.values() if len(joints) > 1]
        if groups and rng.random() < 0.2:
            return rng.choice(groups)
        return rng.sample(JOINTS, rng.choice(_FREE_COUNTS))

    def _names(self, rng: random.Random, wanted: set[str]) -> list[str]:
        """Name joints in any order, groups as a group half the time, each with or without whose it is."""
        left, names = set(wanted), []
        spoken = list(self.questions.names.items())
        groups = [(name, set(joints)) for name, joints in spoken if len(joints) > 1]
        for name, joints in rng.sample(groups, len(groups)):
            if joints <= left and rng.random() < 0.5:
                names.append(name)
                left -= joints
        owner = rng.choice(("", "", "the ", "the ", *(f"{owner} " for owner in self.affixes.possessives)))
        names += [
            owner + rng.choice([name for name, joints in spoken if joints == (joint,)]) for joint in in_order(left)
        ]
        rng.shuffle(names)
        return names

    def _wrap(self, rng: random.Random, sentence: str) -> str:
        """Put polite words around a sentence and vary its case and its mark."""
        words = sentence.rstrip("".join(SENTENCE_ENDS))
        mark = sentence[len(words) :]
        is_order = not mark
        before: list[str] = []
        if rng.random() < 0.25:
            before.append(rng.choice(self.affixes.openings))
        if is_order:
            mark = rng.choice((".", ".", "!"))
            if rng.random() < 0.35:
                before.append(rng.choice(self.affixes.requests))
                mark = "?" if before[-1].split()[0] in ("could", "can", "would", "will") else "."
        if before and not words.startswith(("I ", "I'")):
            words = words[0].lower() + words[1:]
        words = " ".join([*before, words])
        closing = rng.choice(self.affixes.closings + self.affixes.adverbials * is_order)
        if rng.random() < 0.2 and closing not in words:
            words += rng.choice((" ", ", ")) + closing
        case = rng.random()
        words = _capital(words) if case < 0.45 else words.lower() if case < 0.75 else words
        return words + mark * (rng.random() < 0.65)


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]

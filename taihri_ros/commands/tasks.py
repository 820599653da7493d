"""Tasks of close-range interaction: sampling of sentences for training, and recognition of the task of a sentence."""

from __future__ import annotations

import random
from collections.abc import Collection
from functools import cached_property
from pathlib import Path

from taihri_ros.commands.language import NOTHING, Language, Meaning
from taihri_ros.commands.negation import negating_words
from taihri_ros.commands.phrase_index import QUESTION, PhraseIndex
from taihri_ros.commands.task_files import read_task_files
from taihri_ros.commands.task_table import SENTENCE_ENDS, SIDES, Task, TaskTable
from taihri_ros.resources import PACKAGE
from taihri_ros.skeleton import JOINTS, in_order

TASKS_FILE = PACKAGE / "data" / "tasks.yaml"
"""The tasks that come with the package."""

LANGUAGE_FILES = tuple(PACKAGE / "data" / f"{name}.yaml" for name in ("english", "german", "french", "spanish"))
"""The languages of the task table; a sentence is read in the one that knows most of its words, English if in doubt."""

_JOINT_COUNTS = (1, 1, 1, 2, 2, 2, 3, 4)
"""The number of joints of a sampled question is chosen uniformly from these."""


class Tasks:
    """All tasks, with the sentences that ask for them.

    Example:
        >>> import random
        >>> from taihri_ros.commands.tasks import Tasks
        >>> tasks = Tasks.load()
        >>> tasks.match("Could you shake my left hand, please?").joints
        ('left_elbow', 'left_wrist')
        >>> tasks.sample_question(random.Random(0), ["head", "neck"])
        ("how far away are the person's neck and the person's head", ('neck', 'head'))
    """

    def __init__(self, table: TaskTable) -> None:
        """Create the tasks from the contents of task files; `load` reads them from files.

        Args:
            table: The contents.

        Raises:
            TaskError: A sentence belongs to two tasks, or is both trained and held out.
        """
        self.tasks = table.tasks
        self._by_name = {task.name: task for task in self.tasks}
        self.questions = table.questions
        self.affixes = table.affixes
        self._index.check()

    @classmethod
    def load(cls, *extra_files: Path | str) -> Tasks:
        """Load the tasks of the package, and those of a user.

        Args:
            extra_files: Task files that extend or change the tasks of the package; later files take precedence.

        Returns:
            The tasks.

        Raises:
            TaskError: A file is not readable or has the wrong layout, a sentence belongs to two tasks, or a sentence
                is both trained and held out.
        """
        return cls(read_task_files([TASKS_FILE, *map(Path, extra_files)]))

    def __getitem__(self, name: str) -> Task:
        """Return the task with a name."""
        return self._by_name[name]

    @cached_property
    def _index(self) -> PhraseIndex:
        return PhraseIndex(self.tasks, self.questions, self.affixes)

    @cached_property
    def _languages(self) -> list[Language]:
        english, *others = LANGUAGE_FILES
        return [Language.load(english, self.questions.names), *map(Language.load, others)]

    def prepare(self) -> None:
        """Read the words of the languages, which otherwise delays the first match by about a tenth of a second."""
        _ = self._own

    def match(self, text: str) -> Task | None:
        """Return the task that a sentence asks for, without a model.

        Args:
            text: Free words.

        Returns:
            The task; a task named `question` for a sentence about joints; None for a sentence that is negated, asks for
            nothing, or is not understood.
        """
        if negating_words(text):
            return None
        if task := self._index.exact(text):
            return task
        similar = self._index.similar(text) if self._own else None
        if similar and similar.name in self._own:
            return similar
        meaning = max(self._languages, key=lambda language: language.familiarity(text)).meaning(text)
        if meaning == NOTHING:
            return None
        return (meaning and self._meant(meaning)) or similar or self._index.similar(text)

    @cached_property
    def _own(self) -> frozenset[str]:
        """The tasks that no language has patterns for, which are those of a user; they take precedence."""
        names = {name for language in self._languages for name in language.tasks}
        understood = {f"{name}{side}" for name in names for side in ("", *(f"_{side}" for side in SIDES))}
        return frozenset(self._by_name.keys() - understood)

    def _meant(self, meaning: Meaning) -> Task | None:
        """Return the task of a meaning, for the sides that it says; None for a task that the table does not have."""
        if meaning.joints:
            return Task(QUESTION, meaning.joints, (), ())
        tasks = [
            self._by_name[name] for side in sorted(meaning.sides) if (name := f"{meaning.task}_{side}") in self._by_name
        ]
        if not tasks:
            return self._by_name.get(meaning.task)
        joints = in_order(frozenset(joint for task in tasks for joint in task.joints))
        return tasks[0] if len(tasks) == 1 else Task(meaning.task, joints, (), ())

    def sample_task(self, rng: random.Random, *, held_out: bool = False) -> tuple[str, tuple[str, ...]]:
        """Sample a task, and a sentence that asks for it.

        Args:
            rng: The random number generator.
            held_out: Whether to sample from the held-out sentences.

        Returns:
            The sentence, and the joints of the task in the skeleton's order.
        """
        task = rng.choice([task for task in self.tasks if task.held_out or not held_out])
        return self.sample_phrasing(rng, task, held_out=held_out), task.joints

    def sample_phrasing(self, rng: random.Random, task: Task, *, held_out: bool = False) -> str:
        """Sample a sentence that asks for a given task.

        Args:
            rng: The random number generator.
            task: The task.
            held_out: Whether to sample from the held-out sentences.

        Returns:
            The sentence, with random polite words, capitals and closing mark.
        """
        return self._decorate(rng, rng.choice(task.held_out if held_out else task.phrasings))

    def sample_question(
        self, rng: random.Random, joints: Collection[str] | None = None, *, held_out: bool = False
    ) -> tuple[str, tuple[str, ...]]:
        """Sample a question that names joints.

        Args:
            rng: The random number generator.
            joints: Names of the joints; None to sample one to four.
            held_out: Whether to sample from the held-out sentences.

        Returns:
            The sentence, and its joints in the skeleton's order.
        """
        questions = self.questions
        wanted = set(self._sample_joints(rng) if joints is None else joints)
        names = self._sample_names(rng, wanted)
        template = rng.choice(questions.held_out if held_out else questions.phrasings)
        separators = rng.choice(((", ", " and "), (", ", ", and "), (", ", ", "), (" and ", " and ")))
        listed = separators[1].join(part for part in (separators[0].join(names[:-1]), names[-1]) if part)
        plural = len(wanted) > 1
        sentence = template.replace("{joints}", listed).replace("{is}", "are" if plural else "is")
        return self._decorate(rng, sentence), in_order(wanted)

    def corpus(self) -> list[str]:
        """Return sentences with every word of the training sentences, to train a tokenizer on.

        Returns:
            Every training sentence as written, in lower case and with a capital, and combinations of every spoken name
            with every polite word. No held-out sentence is among them.
        """
        sentences = [sentence for task in self.tasks for sentence in task.phrasings]
        names = list(self.questions.names)
        for index, template in enumerate(self.questions.phrasings):
            for number, verb in enumerate(("is", "are")):
                name = names[(2 * index + number) % len(names)]
                sentences.append(template.replace("{joints}", name).replace("{is}", verb))
        affixes = self.affixes
        for words in (affixes.openings, affixes.requests, affixes.closings, affixes.adverbials, affixes.possessives):
            sentences += [f"{word} {name}" for word in words for name in names]
        return list(dict.fromkeys(form for text in sentences for form in (text, text.lower(), _capitalize(text))))

    def _sample_joints(self, rng: random.Random) -> Collection[str]:
        groups = [joints for joints in self.questions.names.values() if len(joints) > 1]
        if groups and rng.random() < 0.2:
            return rng.choice(groups)
        return rng.sample(JOINTS, rng.choice(_JOINT_COUNTS))

    def _sample_names(self, rng: random.Random, wanted: set[str]) -> list[str]:
        """Return spoken names of joints in random order, with group names and possessives at random."""
        remaining, names = set(wanted), []
        spoken = list(self.questions.names.items())
        groups = [(name, set(joints)) for name, joints in spoken if len(joints) > 1]
        for name, joints in rng.sample(groups, len(groups)):
            if joints <= remaining and rng.random() < 0.5:
                names.append(name)
                remaining -= joints
        determiner = rng.choice(("", "", "the ", "the ", *(f"{word} " for word in self.affixes.possessives)))
        names += [
            determiner + rng.choice([name for name, joints in spoken if joints == (joint,)])
            for joint in in_order(remaining)
        ]
        rng.shuffle(names)
        return names

    def _decorate(self, rng: random.Random, sentence: str) -> str:
        """Add random polite words to a sentence, and vary its case and closing mark."""
        words = sentence.rstrip("".join(SENTENCE_ENDS))
        mark = sentence[len(words) :]
        is_order = not mark
        prefix: list[str] = []
        if rng.random() < 0.25:
            prefix.append(rng.choice(self.affixes.openings))
        if is_order:
            mark = rng.choice((".", ".", "!"))
            if rng.random() < 0.35:
                prefix.append(rng.choice(self.affixes.requests))
                mark = "?" if prefix[-1].split()[0] in ("could", "can", "would", "will") else "."
        if prefix and not words.startswith(("I ", "I'")):
            words = words[0].lower() + words[1:]
        words = " ".join([*prefix, words])
        closing = rng.choice(self.affixes.closings + self.affixes.adverbials * is_order)
        if rng.random() < 0.2 and closing not in words:
            words += rng.choice((" ", ", ")) + closing
        case = rng.random()
        words = _capitalize(words) if case < 0.45 else words.lower() if case < 0.75 else words
        return words + mark * (rng.random() < 0.65)


def _capitalize(words: str) -> str:
    return words[0].upper() + words[1:]

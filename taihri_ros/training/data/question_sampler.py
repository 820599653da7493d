"""Random questions about a view with their answers, as token ids.

Free commands are phrasings of the task table and sentences from patterns, in equal shares, and commands that ask for
nothing. In a view without a person, the answer to a free command has no joint. Named joints are then all answered
`<absent>` where the answer format has it; otherwise they are left out as well. A joint beyond the edge of the view is
never absent. Joints without a label are never asked for.

A checkpoint that learns zoom is asked for the root as the node asks for it (`pipeline/prompt_batch.py`): alone, or as
one of several named joints.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from taihri_ros.commands.command import Command
from taihri_ros.commands.random_commands.phrasings import Phrasings
from taihri_ros.commands.tasks import Tasks
from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.lexer import BLOCKS
from taihri_ros.model.prompts import make_prompt
from taihri_ros.model.quantization import ABSENT, BINS
from taihri_ros.model.spec import ModelSpec
from taihri_ros.model.zoom import ROOT_INDEX
from taihri_ros.skeleton import INDEX, JOINTS
from taihri_ros.training.data.viewpoints import View
from taihri_ros.training.network.packing import Branch, PackedSample

_ROOT_ALONE = 0.3
"""Share of the questions about one joint that are about the root, for a checkpoint that learns zoom."""


@dataclass(frozen=True)
class QuestionSettings:
    """Number and kind of the questions for each image.

    Attributes:
        named: One question with joint names for each pair: smallest and largest number of joints.
        listings: One joint list without a question for each pair: smallest and largest number of joints. They train
            only the coordinates, at little cost.
        tasks: Number of free commands that name a task.
        questions: Number of free questions that name joints.
        nothing: Share of both that is replaced by commands that ask for nothing; their answer has no joint.
        shuffled: Share of the joint lists in random order; the others are in the order of the skeleton.
        noise_bins: Smallest and largest standard deviation, in bins, of the noise that is added to the coordinates in
            the context, sampled log-uniformly for each answer. The smallest should not be below the errors of the
            model: otherwise it learns to rely on its earlier coordinates instead of the image.
        beyond_weight: Loss weight of a 2D coordinate of a joint outside the view.
        template_weight: Loss weight of the tokens that the grammar determines, and of those after the first `<absent>`
            of a joint.
    """

    named: tuple[tuple[int, int], ...] = ((1, 3), (2, 6), (4, 10))
    listings: tuple[tuple[int, int], ...] = ()
    tasks: int = 1
    questions: int = 1
    nothing: float = 0.25
    shuffled: float = 0.1
    noise_bins: tuple[float, float] = (3.0, 300.0)
    beyond_weight: float = 0.3
    template_weight: float = 0.05


class QuestionSampler:
    """Sampler of questions about views, with their answers."""

    def __init__(self, vocabulary: Vocabulary, spec: ModelSpec, tasks: Tasks, settings: QuestionSettings) -> None:
        """Create a sampler.

        Args:
            vocabulary: Tokens of the checkpoint.
            spec: Spec of the checkpoint; its answer format must have no separators.
            tasks: The task table, for free commands.
            settings: Number and kind of the questions.
        """
        self._vocabulary, self._spec, self._tasks, self._settings = vocabulary, spec, tasks, settings
        self._phrasings = Phrasings(tasks)
        self._answer_format = replace(spec.answer or AnswerFormat(), box=False)
        self._ids = {
            text: vocabulary.ids(text)
            for text in (*BLOCKS["2d"], *BLOCKS["3d"], *(self._answer_format.joint_text(joint) for joint in JOINTS))
        }

    def sample(self, view: View, rng: np.random.Generator) -> PackedSample:
        """Sample questions about a view.

        Args:
            view: The view.
            rng: Random generator.

        Returns:
            The image with the questions and their answers.
        """
        words = random.Random(int(rng.integers(2**62)))
        truth = _TrueBins.of(view, self._spec)
        requests: list[tuple[Command, Sequence[str], bool]] = []
        shuffled, zooms = self._settings.shuffled, self._spec.zooms
        for fewest, most in self._settings.named:
            named = truth.sample_joints(rng, int(rng.integers(fewest, most + 1)), shuffled, root=zooms)
            requests.append((Command(", ".join(named), tuple(named)), named, False))
        for fewest, most in self._settings.listings:
            listed = truth.sample_joints(rng, int(rng.integers(fewest, most + 1)), shuffled)
            requests.append((Command(""), listed, False))
        samplers = [(self._tasks.sample_task, self._phrasings.sample_task)] * self._settings.tasks
        samplers += [(self._tasks.sample_question, self._phrasings.sample_question)] * self._settings.questions
        free = [
            (self._phrasings.sample_nothing(words), ())
            if words.random() < self._settings.nothing
            else words.choice(pair)(words)
            for pair in samplers
        ]
        requests += [(Command(text), joints, True) for text, joints in free if truth.has_labels(joints)]
        prefix: tuple[int, ...] = ()
        branches = []
        for command, joints, chosen in requests:
            ids = self._vocabulary.prompt_ids(make_prompt(command, self._spec))
            place = ids.index(self._vocabulary.image_id)
            prefix = ids[:place]
            absent = not view.person and not chosen and self._answer_format.absent
            if not view.person and not absent:  # the answer leaves every joint out
                joints, chosen = (), True
            branches.append(self._answer(ids[place + 1 :], joints, truth, rng, chosen=chosen, absent=absent))
        return PackedSample(view.image, prefix, tuple(branches))

    def _answer(
        self,
        prompt: tuple[int, ...],
        joints: Sequence[str],
        truth: _TrueBins,
        rng: np.random.Generator,
        *,
        chosen: bool,
        absent: bool,
    ) -> Branch:
        """Write an answer.

        Args:
            prompt: Ids of the tokens between the image and the answer.
            joints: The joints of the answer.
            truth: The true coordinates.
            rng: Random generator.
            chosen: Whether the names of the joints have full weight, because the model selects them.
            absent: Whether every joint is absent.

        Returns:
            The question with its answer.
        """
        settings, coordinates = self._settings, self._vocabulary.coordinates.array
        least, most = settings.noise_bins
        noise = least * (most / least) ** rng.random() * rng.standard_normal((len(JOINTS), 5))
        noisy = np.clip(np.rint(truth.bins + noise), 0, BINS - 1).astype(int)
        true = truth.bins.astype(int)
        if absent:
            noisy[:], true[:] = ABSENT, ABSENT
        absent_weights = [1.0, *([settings.template_weight] * 4)]
        name_weight = 1.0 if chosen else settings.template_weight
        answer: list[int] = []
        targets: list[int] = []
        weights: list[float] = []

        def write(ids: Sequence[int], wanted: Sequence[int], weight: Sequence[float]) -> None:
            answer.extend(ids)
            targets.extend(wanted)
            weights.extend(weight)

        for block, columns in (("2d", slice(0, 2)), ("3d", slice(2, 5))):
            start, end = (self._ids[text] for text in BLOCKS[block])
            write(start, start, [settings.template_weight] * len(start))
            for joint in joints:
                name, row = self._ids[self._answer_format.joint_text(joint)], INDEX[joint]
                write(name, name, [name_weight] * len(name))
                write(
                    coordinates[noisy[row, columns]].tolist(),
                    coordinates[true[row, columns]].tolist(),
                    (absent_weights if absent else truth.weights(row, settings.beyond_weight))[columns],
                )
            write(end, end, [name_weight] * len(end))
        stop = self._vocabulary.end_ids[:1]
        write(stop, stop, [settings.template_weight])
        return Branch(prompt, tuple(answer), tuple(targets), tuple(weights), free=chosen)


@dataclass(frozen=True, eq=False)
class _TrueBins:
    """The true bins of the coordinates of a view.

    Attributes:
        bins: (22, 5) u, v, x, y, z.
        known: (22, 2) whether 2D and 3D are in range.
        labelled: (22,) whether the joint has a label.
    """

    bins: NDArray[np.float64]
    known: NDArray[np.bool_]
    labelled: NDArray[np.bool_]

    @classmethod
    def of(cls, view: View, spec: ModelSpec) -> _TrueBins:
        size = np.array([view.image.shape[1], view.image.shape[0]])
        flat = view.pixels / size * (BINS - 1)
        deep = (view.joints - spec.space.low) / spec.space.step
        bins = np.clip(np.rint(np.nan_to_num(np.concatenate([flat, deep], axis=1))), 0, BINS - 1)
        known = np.stack([view.visibility < 2, spec.space.contains(view.joints)], axis=1)
        return cls(bins, known, view.labelled)

    def has_labels(self, joints: Sequence[str]) -> bool:
        """Check whether all of some joints have a label."""
        return all(self.labelled[INDEX[joint]] for joint in joints)

    def weights(self, row: int, beyond: float) -> list[float]:
        """Return the loss weights of the five coordinates of a joint."""
        flat, deep = 1.0 if self.known[row, 0] else beyond, 1.0 if self.known[row, 1] else 0.0
        return [flat, flat, deep, deep, deep]

    def sample_joints(self, rng: np.random.Generator, count: int, shuffled: float, *, root: bool = False) -> list[str]:
        """Sample joints with a label, more often those in the view.

        Args:
            rng: Random generator.
            count: Number of joints.
            shuffled: Probability of a random order; otherwise they are in the order of the skeleton.
            root: Whether several joints get the root, too, and single ones are more often the root.

        Returns:
            The names.
        """
        likely = np.where(self.known[:, 0], 1.0, 0.15) * self.labelled
        count = min(count, int(self.labelled.sum()))
        sampled = rng.choice(len(JOINTS), size=count, replace=False, p=likely / likely.sum())
        if root and self.labelled[ROOT_INDEX] and ROOT_INDEX not in sampled:
            if count > 1:
                sampled = np.append(sampled, ROOT_INDEX)
            elif rng.random() < _ROOT_ALONE:
                sampled = np.array([ROOT_INDEX])
        return [JOINTS[index] for index in (sampled if rng.random() < shuffled else np.sort(sampled))]

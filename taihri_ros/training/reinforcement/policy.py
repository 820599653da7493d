"""The policy that reinforcement fine-tuning trains: it answers questions, is rewarded, and learns from its answers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import free_grammar, named_grammar
from taihri_ros.model.spec import ModelSpec
from taihri_ros.training.network.answer_loss import AnswerLoss
from taihri_ros.training.network.trained_weights import TrainedWeights
from taihri_ros.training.recipe import RftStage
from taihri_ros.training.reinforcement.advantages import advantages
from taihri_ros.training.reinforcement.answer_steps import AnswerSteps
from taihri_ros.training.reinforcement.asked_views import Asked
from taihri_ros.training.reinforcement.bin_rewards import bin_rewards
from taihri_ros.training.reinforcement.policy_loss import decision_logprobs, policy_loss
from taihri_ros.training.reinforcement.position_errors import position_errors
from taihri_ros.training.reinforcement.rollout import Rollout, Sampler
from taihri_ros.training.reinforcement.tree_packing import Question
from taihri_ros.training.rewards.answers import SampledAnswer
from taihri_ros.training.rewards.rewards import RewardModel
from taihri_ros.training.rewards.targets import Target


@dataclass(frozen=True, eq=False)
class _Experience:
    """Answers of the policy with what is learned from them; it is reused by all epochs.

    Attributes:
        rollout: The answers.
        answers: The same, read; those of a question one after another.
        targets: The target of each answer.
        advantages: (D,) of the decisions.
        bin_rewards: (D, K) rewards of the options of coordinates; None where samples are used instead.
        reference: (D, K) log-probabilities of the reference model; None for none.
        rewards: Mean of each term of the reward, and of the total.
    """

    rollout: Rollout
    answers: list[SampledAnswer]
    targets: list[Target]
    advantages: torch.Tensor
    bin_rewards: torch.Tensor | None
    reference: torch.Tensor | None
    rewards: dict[str, float]


class AnswerPolicy(TrainedWeights):
    """A Qwen3-VL model that samples answers to the questions of a batch and returns the loss of its decisions."""

    def __init__(self, model: Any, reference: Any, vocabulary: Vocabulary, spec: ModelSpec, stage: RftStage) -> None:
        """Wrap a model.

        Args:
            model: transformers' Qwen3VLForConditionalGeneration.
            reference: The frozen model that it stays near to, of the same type; None for none.
            vocabulary: Tokens of the checkpoint.
            spec: Spec of the checkpoint; its answer format must have no separators.
            stage: Settings of the stage.
        """
        super().__init__()
        self.model, self.reference = model, reference
        self._vocabulary, self._stage = vocabulary, stage
        self._format = replace(spec.answer or AnswerFormat(), box=False)
        self._sampler, self._rewards = Sampler(vocabulary), RewardModel(stage.rewards)
        self._free_steps = AnswerSteps(free_grammar(self._format), vocabulary, self._format)
        self._experiences: dict[int, _Experience] = {}
        supervised = stage.supervised
        self._supervision = supervised and AnswerLoss(
            model,
            first_coordinate=vocabulary.coordinates[0],
            sigma_bins=supervised.soft_bins,
            scheduled_sampling=supervised.scheduled_sampling,
            absent=spec.has_absent,
            absent_margin=supervised.absent_margin,
        )

    def forward(
        self, patches: torch.Tensor, grids: torch.Tensor, asked: Asked, **right: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Sample answers, unless an earlier epoch did, and compute their loss; in evaluation the most likely answer.

        Args:
            patches: Patches of all views, as from `to_patches`.
            grids: (views, 3) grid of each view.
            asked: The questions.
            **right: The other tensors of `packing.collate`, with the right answers.

        Returns:
            `loss` to minimise; the metrics of `policy_loss`; with a supervised term its loss, `supervised_loss`;
            `reward` and `reward_...`, the mean rewards of the answers in total and by term; and in evaluation
            `g_mpjpe_mm` of the expectation, as the node decodes it, and `g_mpjpe_argmax_mm`. A mean of nothing is NaN.
        """
        stage, vocabulary = self._stage, self._vocabulary
        features = self.model.model.get_image_features(patches, grids, return_dict=True)
        experience = self._experiences.get(asked.index) if self.training else None
        if experience is None:
            experience = self._collect(patches, grids, asked, features)
        rollout = experience.rollout
        logprobs = decision_logprobs(self.model, features, asked.questions, rollout, vocabulary)
        found = policy_loss(
            logprobs,
            rollout.decisions,
            experience.advantages,
            clip_low=stage.clip_low,
            clip_high=stage.clip_high,
            ratio=stage.ratio,
            kl=stage.kl,
            reference=experience.reference,
            bin_rewards=experience.bin_rewards,
        )
        if stage.supervised and self._supervision:
            supervised = self._supervision.of_features(features, **right)["loss"]
            found["loss"] = found["loss"] + stage.supervised.weight * supervised
            found["supervised_loss"] = supervised.detach()
        measured = dict(experience.rewards)
        if not self.training:
            errors = position_errors(rollout.decisions, logprobs, experience.answers, experience.targets, group=1)
            measured |= {"g_mpjpe_mm": errors.expected_mm, "g_mpjpe_argmax_mm": errors.argmax_mm}
        return found | {name: found["loss"].new_tensor(value) for name, value in measured.items()}

    @torch.no_grad()
    def _collect(self, patches: torch.Tensor, grids: torch.Tensor, asked: Asked, features: Any) -> _Experience:
        """Sample a group of answers to each question and reward them."""
        stage, vocabulary = self._stage, self._vocabulary
        group = stage.group if self.training else 1
        seed = np.random.SeedSequence((stage.schedule.seed, asked.index)).generate_state(1)
        rollout = self._sampler.sample(
            self.model,
            features,
            asked.questions,
            [self._steps(question) for question in asked.questions],
            group=group,
            generator=torch.Generator().manual_seed(int(seed[0])),
            greedy_first=not self.training,
        )
        targets = [target for target in asked.targets for _ in range(group)]
        texts = [vocabulary.texts(answer) for answers in rollout.answers for answer in answers]
        answers = [SampledAnswer.read(tokens, target) for tokens, target in zip(texts, targets, strict=True)]
        scores, decisions = self._rewards.score(answers, targets), rollout.decisions
        credit = stage.rewards.credit
        reference = None
        if self.reference is not None:
            seen = self.reference.model.get_image_features(patches, grids, return_dict=True)
            reference = decision_logprobs(self.reference, seen, asked.questions, rollout, vocabulary)
        earned = {"reward": scores.total} | {f"reward_{name}": values for name, values in scores.terms.items()}
        experience = _Experience(
            rollout,
            answers,
            targets,
            advantages(decisions, scores, group=group, credit=credit, group_scaling=stage.group_scaling),
            bin_rewards(decisions, answers, targets, stage.rewards, group=group) if stage.expected else None,
            reference,
            {name: _mean(values) for name, values in earned.items()},
        )
        if self.training and stage.epochs > 1:
            if len(self._experiences) == stage.schedule.accumulate:
                self._experiences.clear()
            self._experiences[asked.index] = experience
        return experience

    def _steps(self, question: Question) -> AnswerSteps:
        """Return the steps of the answers to a question."""
        if question.free:
            return self._free_steps
        return AnswerSteps(named_grammar(question.joints, self._format), self._vocabulary, self._format)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan

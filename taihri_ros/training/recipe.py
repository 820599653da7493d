"""The settings of a training run, as in config/training/*.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from taihri_ros.errors import TaihriError
from taihri_ros.resources import NANO
from taihri_ros.training.data.backgrounds import BackgroundSettings
from taihri_ros.training.data.question_sampler import QuestionSettings
from taihri_ros.training.rewards.rewards import RewardSettings
from taihri_ros.validation import check_value

_SHIPPED = Path("taihri-nano")


class ConfigError(TaihriError):
    """A configuration file that cannot be read, or whose settings contradict each other."""


def _check_margin(value: float) -> None:
    if value < 0.0:
        raise ConfigError(f"absent_margin must be at least 0, not {value}")


def _check_share(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ConfigError(f"{name} must be from 0 to 1, not {value}")


@dataclass(frozen=True)
class Machine:
    """Devices and processes of a run.

    Attributes:
        device: `auto` for all available GPUs, or `cpu`.
        processes: Number of training processes, one for each GPU or several on a CPU.
        threads: Threads of torch in each process; 0 for the default of torch.
        loader_workers: Number of data loader processes of each training process.
        bf16: Whether the layers compute in bfloat16; the weights stay float32.
    """

    device: Literal["auto", "cpu"] = "auto"
    processes: int = 1
    threads: int = 0
    loader_workers: int = 0
    bf16: bool = False


@dataclass(frozen=True)
class PictureSettings:
    """The training pictures.

    Attributes:
        directory: Directory of the pictures, with the folders `train` and `validation`.
        data: What the pictures are made from: the directory of `taihri synth`, or a file that `taihri eval` reads.
        focal_px: Focal length of the pictures in px; a longer one than the model's keeps the views sharp.
        max_side: Largest width and height in px; a larger one than the model's leaves room for rotations.
        validation_shards: Number of shards of synthetic data that are used for validation; of a file the last tenth is.
        workers: Number of processes that make pictures of synthetic data.
    """

    directory: Path
    data: Path | None = None
    focal_px: float = 130.0
    max_side: int = 320
    validation_shards: int = 1
    workers: int = 1


@dataclass(frozen=True)
class NewCheckpoint:
    """A new model with random weights.

    Attributes:
        text: Sizes of the language model, with the names of transformers' Qwen3VLTextConfig.
        vision: Sizes of the vision tower, with the names of Qwen3VLVisionConfig.
        merges: Number of tokens of the tokenizer besides bytes and added tokens.
        seed: Seed of the weights.
    """

    text: Mapping[str, Any]
    vision: Mapping[str, Any]
    merges: int = 900
    seed: int = 0


@dataclass(frozen=True)
class Schedule:
    """Steps and rates of a stage; rates rise linearly, stay constant, and fall linearly to 2 %.

    Attributes:
        steps: Number of optimiser steps.
        batch: Batch size of each process.
        rate: Learning rate of AdamW.
        muon_rate: Learning rate of Muon, for the matrices within the layers; null to train them with AdamW, too.
        warmup: Steps in which the rates rise.
        decay: Steps in which the rates fall.
        weight_decay: Decoupled weight decay.
        clip: Largest norm of the gradient.
        accumulate: Backward passes for each step.
        evaluate_every: Steps between two evaluations; each also writes a checkpoint and the curves.
        log_every: Steps between two log entries.
        validation: Number of validation pictures.
        seed: Seed of the sampled views and questions.
        average: Decay of the exponential moving average of the weights in each step, such as 0.999; validation and the
            result use the average. null for none.
    """

    steps: int
    batch: int
    rate: float
    muon_rate: float | None = None
    warmup: int = 100
    decay: int = 500
    weight_decay: float = 0.01
    clip: float = 1.0
    accumulate: int = 1
    evaluate_every: int = 250
    log_every: int = 25
    validation: int = 512
    seed: int = 1
    average: float | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "rate", "clip", "accumulate", "evaluate_every", "log_every", "validation"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} must be more than 0")
        if self.average is not None and not 0.0 < self.average < 1.0:
            raise ConfigError(f"average must be more than 0 and less than 1, or null, not {self.average}")
        if self.warmup + self.decay > self.steps:
            raise ConfigError(f"warmup and decay do not fit into {self.steps} steps")

    def with_steps(self, steps: int) -> Schedule:
        """Return the schedule scaled to another number of steps."""
        warmup, decay = (part * steps // self.steps for part in (self.warmup, self.decay))
        return replace(self, steps=steps, warmup=warmup, decay=decay)


@dataclass(frozen=True)
class VisionStage:
    """Pre-training of the vision tower with dense targets.

    Attributes:
        schedule: Steps and rates.
        easy_steps: Number of first steps that use only pictures with most of the person visible.
        person_crops: Share of the views that are person crops, as the node makes them.
        start: A checkpoint of another vision run, whose weights this one starts from; null for those of the model.
    """

    schedule: Schedule
    easy_steps: int = 0
    person_crops: float = 0.0
    start: Path | None = None

    def __post_init__(self) -> None:
        _check_share("person_crops", self.person_crops)


@dataclass(frozen=True)
class SoftTargets:
    """Standard deviation of the soft targets of coordinates, in bins.

    It falls geometrically until the decay of the rates begins.

    Attributes:
        first_bins: At the first step.
        last_bins: From the beginning of the decay.
    """

    first_bins: float = 20.0
    last_bins: float = 6.0

    def __post_init__(self) -> None:
        if not 0.0 < self.last_bins <= self.first_bins:
            raise ConfigError("last_bins must be more than 0 and at most first_bins")


@dataclass(frozen=True)
class Lora:
    """Low-rank adaptation (Hu et al. 2021) instead of full fine-tuning; rows of new tokens are trained in full.

    Attributes:
        rank: Rank of the update.
        alpha: Scale of the update, relative to the rank.
        dropout: Dropout before the update.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0


@dataclass(frozen=True)
class SftStage:
    """Supervised fine-tuning.

    Attributes:
        schedule: Steps and rates.
        soft_targets: Soft targets of the coordinates; null for plain cross-entropy.
        questions: Number and kind of the questions for each picture.
        scheduled_sampling: Share of the pictures whose context holds the model's own coordinates instead of noisy true
            ones; above 0, validation uses only the model's own.
        absent_margin: What is added to the logit of `<absent>` in the loss, nats, so that the model says it of a joint
            only where that is about as probable as all bins together; log(20) is 3.
        person_crops: Share of the views that are person crops, as the node makes them.
        keep: Share of the weights that the stage starts from in its result, see `kept_weights`; 0 for none.
        train_vision: Whether the vision tower is trained.
        lora: Low-rank adaptation; null for full fine-tuning.
        gradient_checkpointing: Whether activations are recomputed in the backward pass, to save memory.
    """

    schedule: Schedule
    soft_targets: SoftTargets | None = field(default_factory=SoftTargets)
    questions: QuestionSettings = field(default_factory=QuestionSettings)
    scheduled_sampling: float = 0.0
    absent_margin: float = 0.0
    person_crops: float = 0.0
    keep: float = 0.0
    train_vision: bool = True
    lora: Lora | None = None
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        for name in ("scheduled_sampling", "person_crops", "keep"):
            _check_share(name, getattr(self, name))
        _check_margin(self.absent_margin)


@dataclass(frozen=True)
class SupervisedTerm:
    """The supervised loss that is added to that of reinforcement, on the right answers to the same questions.

    It keeps the answers near the data while the rewards pull them (PPO-ptx, Ouyang et al. 2022, arXiv 2203.02155). The
    features of the pictures serve both losses.

    Attributes:
        weight: Its weight; that of the loss of reinforcement is 1.
        soft_bins: Standard deviation of the soft targets of coordinates, in bins; 0 for plain cross-entropy.
        scheduled_sampling: Share of the pictures whose context holds the model's own coordinates.
        absent_margin: As in the stage `sft`.
    """

    weight: float = 0.2
    soft_bins: float = 8.0
    scheduled_sampling: float = 0.7
    absent_margin: float = 0.0

    def __post_init__(self) -> None:
        _check_share("scheduled_sampling", self.scheduled_sampling)
        _check_margin(self.absent_margin)
        if self.weight <= 0.0 or self.soft_bins < 0.0:
            raise ConfigError("weight must be more than 0, and soft_bins at least 0")


RatioLevel = Literal["token", "sequence"]
"""What the change of a probability in reinforcement learning is measured over."""


@dataclass(frozen=True)
class RftStage:
    """Reinforcement fine-tuning with the rewards of sampled answers; see `reinforcement/policy_loss.py`.

    Attributes:
        schedule: Steps and rates; a batch is a number of views.
        rewards: Weights and forms of the rewards, and which reward each token gets the credit for.
        questions: Number and kind of the questions for each view.
        group: Number of sampled answers to each question.
        epochs: Number of steps that learn from the same answers.
        group_scaling: Whether advantages are divided by the standard deviation of their group.
        ratio: Whether the change of probabilities is clipped for each `token` or each `sequence`.
        clip_low: Largest decrease of a probability, relative to that at the time of sampling, that is rewarded.
        clip_high: Largest increase.
        kl: Weight of the divergence from the model that the stage starts from; 0 to do without that model.
        expected: Whether coordinates learn from the expected reward over all bins instead of from samples.
        supervised: A supervised loss besides; null for none.
        person_crops: Share of the views that are person crops, as the node makes them.
        train_vision: Whether the vision tower is trained.
        lora: Low-rank adaptation; null for full fine-tuning.
        gradient_checkpointing: Whether activations are recomputed in the backward pass, to save memory.
    """

    schedule: Schedule
    rewards: RewardSettings = field(default_factory=RewardSettings)
    questions: QuestionSettings = field(default_factory=QuestionSettings)
    group: int = 8
    epochs: int = 1
    group_scaling: bool = True
    ratio: RatioLevel = "token"
    clip_low: float = 0.2
    clip_high: float = 0.28
    kl: float = 0.02
    expected: bool = False
    supervised: SupervisedTerm | None = None
    person_crops: float = 0.0
    train_vision: bool = True
    lora: Lora | None = None
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        _check_share("person_crops", self.person_crops)
        if self.group < 2:
            raise ConfigError(f"group must be at least 2, because answers are compared, not {self.group}")
        if self.epochs < 1:
            raise ConfigError("epochs must be more than 0")
        if self.schedule.evaluate_every % self.epochs:
            raise ConfigError(
                "evaluate_every must be a multiple of epochs, so that no checkpoint is written between two epochs"
            )
        if not 0.0 < self.clip_low < 1.0 or self.clip_high <= 0.0 or self.kl < 0.0:
            raise ConfigError("clip_low must be from 0 to 1, clip_high more than 0, and kl at least 0")


@dataclass(frozen=True)
class Recipe:
    """The settings of a training.

    Attributes:
        out: Directory for all results: `initial`, one folder for each stage, and `model`.
        pictures: The training pictures.
        sft: Supervised fine-tuning, the last stage but for `rft`.
        vision: The first stage, pre-training of the vision tower; null to skip it.
        alignment: The stage before the last one, which trains the language model to read the visual tokens; null to
            skip it.
        rft: Reinforcement fine-tuning of `model`, or of the result of `sft` for a new model; null to skip it.
        model: Directory of the checkpoint to start from, a Qwen3-VL with or without TAIHRI's tokens; `taihri-nano` for
            the one of the package.
        checkpoint: Sizes of a new model.
        spec: Entries of `taihri.json` that differ from those of `model`, or from the official values.
        degrees: Standard deviations of tilt, pan and roll of the virtual camera, degrees.
        backgrounds: Other backgrounds of the views, and views without a person.
        absent: Whether the model learns to answer `<absent>` for named joints in views without a person.
        tasks: Task files besides those of the package.
        machine: Devices and processes of the run.
    """

    out: Path
    pictures: PictureSettings
    sft: SftStage
    vision: VisionStage | None = None
    alignment: SftStage | None = None
    rft: RftStage | None = None
    model: Path | None = None
    checkpoint: NewCheckpoint | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)
    degrees: tuple[float, float, float] = (4.0, 6.0, 6.0)
    backgrounds: BackgroundSettings = field(default_factory=BackgroundSettings)
    absent: bool = False
    tasks: tuple[Path, ...] = ()
    machine: Machine = field(default_factory=Machine)

    def __post_init__(self) -> None:
        if (self.model is None) == (self.checkpoint is None):
            raise ConfigError("set either model (a checkpoint to start from) or checkpoint (the sizes of a new model)")
        if self.absent and self.backgrounds.nobody == 0.0:
            raise ConfigError(
                "absent is learned from views without a person: set backgrounds.nobody above 0, such as 0.1"
            )

    @property
    def stages(self) -> dict[str, VisionStage | SftStage | RftStage]:
        """The stages of this recipe by name, in the order in which they run."""
        stages = {"vision": self.vision, "alignment": self.alignment, "sft": self.sft, "rft": self.rft}
        return {name: stage for name, stage in stages.items() if stage is not None}

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read a configuration file.

        Args:
            path: YAML, such as config/training/nano.yaml.

        Returns:
            The recipe.

        Raises:
            ConfigError: The file cannot be read, or a setting is unknown, missing or invalid.
        """
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not readable: {error}") from error
        except yaml.YAMLError as error:
            raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
        recipe: Recipe = check_value(content, cls, str(path), ConfigError)
        return replace(recipe, model=NANO) if recipe.model == _SHIPPED else recipe

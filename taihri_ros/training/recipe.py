"""What a training run is told: the settings of config/training/*.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from taihri_ros.training.data.question_sampler import QuestionSettings
from taihri_ros.training.yaml_fields import ConfigError, read_yaml


@dataclass(frozen=True)
class Machine:
    """What the run may use.

    Attributes:
        device: `auto` for every GPU there is, or `cpu`.
        processes: How many processes train together, on a CPU or one for each GPU.
        threads: Of torch, in each process; 0 leaves the choice to torch.
        loader_workers: Processes that draw views, beside each training process.
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
        directory: Holds them, under `train` and `validation`.
        data: Synthetic samples to make them of.
        focal_px: Focal length of the pictures in px; more than the model's keeps the views sharp.
        max_side: Largest width and height in px; more than the model's leaves room to turn.
        validation_shards: How many of the data's shards are held back for validation.
        workers: Processes that make them.
    """

    directory: Path
    data: Path | None = None
    focal_px: float = 130.0
    max_side: int = 320
    validation_shards: int = 1
    workers: int = 1


@dataclass(frozen=True)
class NewCheckpoint:
    """A model from nothing.

    Attributes:
        text: Sizes of the language model, as transformers' Qwen3VLTextConfig names them.
        vision: Sizes of the vision tower, as Qwen3VLVisionConfig names them.
        merges: Tokens of the tokenizer beside bytes and added tokens.
        seed: Of the weights.
    """

    text: Mapping[str, Any]
    vision: Mapping[str, Any]
    merges: int = 900
    seed: int = 0


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: rates rise linearly, stay, and fall linearly to a fiftieth.

    Attributes:
        steps: Steps of the optimiser.
        batch: Pictures of each process in one backward pass.
        rate: Learning rate of AdamW.
        muon_rate: Learning rate of Muon, for the matrices within the layers; null to train them with AdamW, too.
        warmup: Steps in which the rates rise.
        decay: Steps in which they fall.
        weight_decay: Decoupled weight decay.
        clip: Largest norm of the gradient.
        accumulate: Backward passes for each step.
        evaluate_every: Steps between two evaluations; each also writes a checkpoint and the curves.
        log_every: Steps between two records of the metrics.
        validation: How many validation pictures are used.
        seed: Of the views and questions that are drawn.
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

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "rate", "clip", "accumulate", "evaluate_every", "log_every", "validation"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} must be more than 0")
        if self.warmup + self.decay > self.steps:
            raise ConfigError(f"warmup and decay do not fit into {self.steps} steps")

    def with_steps(self, steps: int) -> Schedule:
        """Stretch or shrink the schedule to another number of steps."""
        warmup, decay = (part * steps // self.steps for part in (self.warmup, self.decay))
        return replace(self, steps=steps, warmup=warmup, decay=decay)


def _check_share(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ConfigError(f"{name} must be from 0 to 1, not {value}")


@dataclass(frozen=True)
class VisionStage:
    """Pre-training of the vision tower with dense targets.

    Attributes:
        schedule: How long and how fast.
        easy_steps: How many steps, the first ones, see only pictures that show much of the person.
        person_crops: Share of the views that turn toward the person and show not much more, as the node's fovea does.
    """

    schedule: Schedule
    easy_steps: int = 0
    person_crops: float = 0.0

    def __post_init__(self) -> None:
        _check_share("person_crops", self.person_crops)


@dataclass(frozen=True)
class SoftTargets:
    """Standard deviation of the numbers' soft targets in bins; it falls geometrically until the rates' decay begins."""

    first_bins: float = 20.0
    last_bins: float = 6.0

    def __post_init__(self) -> None:
        if not 0.0 < self.last_bins <= self.first_bins:
            raise ConfigError("last_bins must be more than 0 and at most first_bins")


@dataclass(frozen=True)
class Lora:
    """Low-rank adaptation (Hu et al. 2021) instead of training every weight; the new tokens' rows are trained whole.

    Attributes:
        rank: Of the update.
        alpha: Its scale, relative to the rank.
        dropout: In front of it.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0


@dataclass(frozen=True)
class SftStage:
    """Supervised fine-tuning.

    Attributes:
        schedule: How long and how fast.
        soft_targets: Of the numbers; null for plain cross-entropy.
        questions: What each picture is asked.
        scheduled_sampling: Share of the pictures whose answers hold the model's own numbers as context, not disturbed
            true ones; validation then uses its own alone.
        person_crops: Share of the views that turn toward the person and show not much more, as the node's fovea does.
        train_vision: Whether the vision tower learns, too.
        lora: Low-rank adaptation; null to train every weight.
        gradient_checkpointing: Whether activations are computed anew on the way back, to save memory.
    """

    schedule: Schedule
    soft_targets: SoftTargets | None = field(default_factory=SoftTargets)
    questions: QuestionSettings = field(default_factory=QuestionSettings)
    scheduled_sampling: float = 0.0
    person_crops: float = 0.0
    train_vision: bool = True
    lora: Lora | None = None
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        _check_share("scheduled_sampling", self.scheduled_sampling)
        _check_share("person_crops", self.person_crops)


@dataclass(frozen=True)
class Recipe:
    """A whole training.

    Attributes:
        out: Directory for all that is made: `initial`, `vision`, `sft` and at the end `model`.
        pictures: What is trained on.
        sft: The last stage.
        vision: The first stage; null to train an existing vision tower as it is.
        reading: Fine-tuning before the last stage, on lessons of its own; null to go without.
        model: Checkpoint to start from, a Qwen3-VL with or without TAIHRI's tokens.
        checkpoint: Sizes of a model to start from nothing.
        spec: Entries of `taihri.json` that differ from those of `model`, or from the official values.
        degrees: Standard deviations of the virtual camera's tilt, pan and roll.
        tasks: Task files beside those of the package.
        machine: What the run may use.
    """

    out: Path
    pictures: PictureSettings
    sft: SftStage
    vision: VisionStage | None = None
    reading: SftStage | None = None
    model: Path | None = None
    checkpoint: NewCheckpoint | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)
    degrees: tuple[float, float, float] = (4.0, 6.0, 6.0)
    tasks: tuple[Path, ...] = ()
    machine: Machine = field(default_factory=Machine)

    def __post_init__(self) -> None:
        if (self.model is None) == (self.checkpoint is None):
            raise ConfigError("give either model, to start from, or checkpoint, to start from nothing")

    @property
    def stages(self) -> dict[str, VisionStage | SftStage]:
        """The stages that it has, by name, in the order in which they are run."""
        stages = {"vision": self.vision, "reading": self.reading, "sft": self.sft}
        return {name: stage for name, stage in stages.items() if stage is not None}

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read a file.

        Args:
            path: YAML, such as config/training/nano.yaml.

        Returns:
            The recipe.

        Raises:
            ConfigError: The file cannot be read or says something that cannot be meant.
        """
        return read_yaml(path, cls)

"""The engine on MediaPipe BlazePose: it finds a real person on any CPU, but understands no words.

It answers in TAIHRI's tokens with their top-k log-probabilities, as a language model does. BlazePose finds 33 landmarks
(`blazepose.py`), which are placed in the camera's frame (`lift.py`), and the skeleton's joints follow from them
(`joints.py`). Each coordinate then has a normal distribution (`answers.py`).
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from threading import Event, Lock
from typing import ClassVar

import numpy as np

from taihri_ros.inference.engine import (
    CheckpointError,
    EngineInfo,
    Generation,
    GenerationAbortedError,
    GenerationRequest,
)
from taihri_ros.inference.framework_imports import require
from taihri_ros.inference.in_process_engine import InProcessEngine
from taihri_ros.inference.mediapipe.answers import Joints, answer
from taihri_ros.inference.mediapipe.blazepose import FRAMEWORK, BlazePose, Landmarks, check_weights
from taihri_ros.inference.mediapipe.joints import WEIGHTS
from taihri_ros.inference.mediapipe.lift import lift
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import named_grammar
from taihri_ros.model.quantization import BINS
from taihri_ros.model.spec import FILE_NAME, ModelSpec
from taihri_ros.resources import expand_home
from taihri_ros.skeleton import JOINTS


class MediapipeEngine(InProcessEngine):
    """Engine that runs BlazePose on the CPU. Its checkpoint is a directory with a `taihri.json` alone."""

    PACKAGES: ClassVar[tuple[str, ...]] = (FRAMEWORK,)

    def __init__(self, checkpoint: Path, spec: ModelSpec, *, tracking: bool = True) -> None:
        """Load the weights from the package mediapipe.

        Args:
            checkpoint: Directory that passes `check`.
            spec: Its specification.
            tracking: Whether the images are frames of one camera in their order; the engine then follows the person and
                learns their size. If false, every image is searched for itself.

        Raises:
            EngineError: mediapipe cannot be imported.
        """
        self._pose = BlazePose(tracking=tracking)
        self._pose_lock = Lock()
        info = EngineInfo(
            kind=FRAMEWORK,
            version=require(FRAMEWORK, FRAMEWORK).__version__,
            model=str(checkpoint),
            device="cpu",
            dtype="float32",
            spec=spec,
            batched=True,
        )
        super().__init__(info)

    @classmethod
    def find(cls, model: str) -> Path:
        """Return the directory with the `taihri.json` of this engine."""
        directory = expand_home(model)
        if not directory.is_dir():
            raise CheckpointError(f"there is no directory {model!r}: leave the model empty for the one of the package")
        return directory

    @classmethod
    def prepare(cls) -> None:
        """Keep mediapipe's notes about its start out of the log, unless it is configured."""
        os.environ.setdefault("GLOG_minloglevel", "2")

    @classmethod
    def check(cls, checkpoint: Path) -> None:
        """Check that mediapipe carries its weights, and that the directory is for this engine."""
        check_weights()
        if (checkpoint / "config.json").is_file() or not ModelSpec.load(checkpoint).has_absent:
            raise CheckpointError(
                f"{checkpoint} is not for the engine {FRAMEWORK}, which has no language model and a {FILE_NAME} with "
                "answer.absent: leave the model empty for the one of the package"
            )

    def _answer(self, request: GenerationRequest, started: float, aborted: Event) -> Generation:
        with self._pose_lock:
            if aborted.is_set():
                raise GenerationAbortedError("the request was aborted before it started")
            begun = time.perf_counter()
            found = self._pose.find(request.image)
            passes_s = time.perf_counter() - begun
        height, width, _ = request.image.shape
        joints = None if found is None else self._joints(found, (width, height))
        nothing = named_grammar((), self._info.spec.answer or AnswerFormat())
        answers = tuple(
            answer(question.grammar or nothing, joints, top_k=request.top_k, max_tokens=request.max_tokens)
            for question in request.questions
        )
        total = 1e3 * (time.perf_counter() - started)
        return Generation(answers=answers, steps=1, timings_ms={"total": total, "passes": 1e3 * passes_s})

    def _joints(self, found: Landmarks, size: tuple[int, int]) -> Joints:
        spec = self._info.spec
        points = WEIGHTS @ lift(found, size, spec.focal_px)
        pixels = points[:, :2] / np.maximum(points[:, 2:], 0.05) * spec.focal_px + (np.array(size) - 1) / 2
        means = np.column_stack([pixels / size * (BINS - 1), (points - spec.space.low) / spec.space.step])
        deviations = np.column_stack(
            [np.full((len(JOINTS), 2), 10.0), np.full((len(JOINTS), 3), 0.1) / spec.space.step]
        )
        return Joints(dict(zip(JOINTS, means, strict=True)), dict(zip(JOINTS, deviations, strict=True)), absent=0.05)

    def _release(self) -> None:
        self._pose.close()

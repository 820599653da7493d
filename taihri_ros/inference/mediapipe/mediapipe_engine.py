"""The engine on MediaPipe BlazePose: it finds a real person on any CPU, but understands no words.

It answers in TAIHRI's tokens with their top-k log-probabilities, as a language model does. BlazePose finds 33 landmarks
(`blazepose.py`), which are placed in the camera's frame (`placement.py`). The joints of the skeleton follow from them
(`joints.py`), with an error of each (`joint_errors.py`). Each coordinate then has a normal distribution, from which its
token is written (`answers.py`).
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from threading import Event, Lock
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.checkpoint.files import has_language_model
from taihri_ros.inference.engine import (
    CheckpointError,
    EngineInfo,
    Generation,
    GenerationAbortedError,
    GenerationRequest,
)
from taihri_ros.inference.framework_imports import require
from taihri_ros.inference.in_process_engine import InProcessEngine
from taihri_ros.inference.mediapipe.answers import AnswerWriter, Distributions
from taihri_ros.inference.mediapipe.blazepose import FRAMEWORK, BlazePose, check_weights
from taihri_ros.inference.mediapipe.person import locate
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import named_grammar
from taihri_ros.model.spec import FILE_NAME, ModelSpec
from taihri_ros.resources import expand_home


class MediapipeEngine(InProcessEngine):
    """Engine that runs BlazePose on the CPU. Its checkpoint is a directory with a `taihri.json` alone."""

    PACKAGES: ClassVar[tuple[str, ...]] = (FRAMEWORK,)

    def __init__(self, checkpoint: Path, spec: ModelSpec, *, tracking: bool = True) -> None:
        """Load the weights from the package mediapipe.

        Args:
            checkpoint: Directory that passes `check`.
            spec: Its specification.
            tracking: Whether the images are frames of one camera in their order; the engine then follows the person.
                If false, every image is searched for itself.

        Raises:
            EngineError: mediapipe cannot be imported.
        """
        self._pose = BlazePose(tracking=tracking)
        self._pose_lock = Lock()
        self._no_joints = named_grammar((), spec.answer or AnswerFormat())
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
        if has_language_model(checkpoint) or not ModelSpec.load(checkpoint).has_absent:
            raise CheckpointError(
                f"{checkpoint} is not for the engine {FRAMEWORK}, which has no language model and a {FILE_NAME} with "
                "answer.absent: leave the model empty for the one of the package"
            )

    def _answer(self, request: GenerationRequest, started: float, aborted: Event) -> Generation:
        with self._pose_lock:
            if aborted.is_set():
                raise GenerationAbortedError("the request was aborted before it started")
            begun = time.perf_counter()
            found = self._look(request.image)
            passes_s = time.perf_counter() - begun
        writer = AnswerWriter(found, request.top_k)
        answers = tuple(
            writer.answer(question.grammar or self._no_joints, request.max_tokens) for question in request.questions
        )
        total_ms = 1e3 * (time.perf_counter() - started)
        return Generation(answers=answers, steps=1, timings_ms={"total": total_ms, "passes": 1e3 * passes_s})

    def _look(self, image: NDArray[np.uint8]) -> Distributions | None:
        """Find the person in an image; None if there is nobody."""
        found = self._pose.find(image)
        return None if found is None else locate(found, self._info.spec)

    def _release(self) -> None:
        self._pose.close()

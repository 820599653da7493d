"""The method from end to end: an image, its camera and a command to keypoints in the camera frame.

TAIHRI (arXiv 2604.08921): show the model the canonical view, ask, parse the answer's bins, decode them to pixels and
metres, and map these back to the camera that took the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.commands.command import Command
from taihri_ros.inference.engine import Engine, GenerationRequest
from taihri_ros.inference.top_k import join
from taihri_ros.model.spec import ModelSpec
from taihri_ros.pipeline.decoder import AnswerDecoder, XySource
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.person_crop import full_view
from taihri_ros.pipeline.prompt_batch import Decoding, ask, raw_text


@dataclass(frozen=True, eq=False)
class Exchange:
    """A command that was put to the model, and what it answered.

    Attributes:
        command: The command.
        decoder: The answer, parsed.
        raw: The answer as the model wrote it.
        steps: Passes through the language model that it took; 0 where the engine does not say.
        stages_ms: Milliseconds by stage: `view`, `engine`, `parse`, and the engine's own as `engine.<stage>`.
    """

    command: Command
    decoder: AnswerDecoder
    raw: str
    steps: int
    stages_ms: dict[str, float]

    def estimate(self, xy_source: XySource) -> Estimate:
        """Decode the answer into keypoints."""
        started = perf_counter()
        person = self.decoder.person(xy_source)
        view = self.decoder.view
        stages = dict(self.stages_ms)
        stages["parse"] += (perf_counter() - started) * 1e3
        size = (view.width, view.height)
        return Estimate(self.command, person, self.raw, stages, self.decoder.spec.name, size)


class Estimator:
    """Estimates the keypoints that a command needs. May be used from several threads where the engine may."""

    def __init__(self, engine: Engine, *, xy_source: XySource = "bins", decoding: Decoding = "per_joint") -> None:
        """Create an estimator.

        Args:
            engine: The engine that answers.
            xy_source: Where x and y come from.
            decoding: How the model is asked for named joints.
        """
        self.engine = engine
        self._xy_source = xy_source
        self._decoding: Decoding = decoding
        self._full: tuple[Camera, ModelSpec, CanonicalView] | None = None

    def estimate(
        self, image: NDArray[np.uint8], camera: Camera, command: Command, *, view: CanonicalView | None = None
    ) -> Estimate:
        """Find the joints that a command needs.

        Args:
            image: (height, width, 3) uint8 RGB, as the camera took it.
            camera: Its calibration.
            command: What to look for.
            view: What to show the model of it; by default as much as the model may be shown.

        Returns:
            The estimate, positions in the camera's optical frame in metres.

        Raises:
            CameraError: The image has another size than the calibration, or no view of it suits the model.
            EngineError: The engine did not answer.
            MalformedAnswerError: The answer cannot be trusted.
        """
        return self.exchange(image, camera, command, view=view).estimate(self._xy_source)

    def exchange(
        self, image: NDArray[np.uint8], camera: Camera, command: Command, *, view: CanonicalView | None = None
    ) -> Exchange:
        """Put a command to the model and parse its answer; arguments and errors are those of `estimate`."""
        camera.check_image(image.shape[1], image.shape[0])
        info = self.engine.info
        started = perf_counter()
        view = view or self.full_view(camera)
        shown = view.render(image)
        rendered = perf_counter()
        asked = ask(command, info, self._decoding)
        generation = self.engine.generate(
            GenerationRequest(
                image=shown,
                questions=asked.questions,
                max_tokens=asked.max_tokens,
                repetition_penalty=info.spec.repetition_penalty,
                jump_forward=asked.jump_forward,
            )
        )
        answered = perf_counter()
        answer = asked.read(generation.answers)
        top_k = join([raw.top_k for raw in generation.answers])
        stages = {
            "view": (rendered - started) * 1e3,
            "engine": (answered - rendered) * 1e3,
            "parse": (perf_counter() - answered) * 1e3,
        }
        stages |= {f"engine.{stage}": duration for stage, duration in generation.timings_ms.items()}
        decoder = AnswerDecoder(answer, top_k, view, info.spec)
        return Exchange(command, decoder, raw_text(generation.answers), generation.steps, stages)

    def full_view(self, camera: Camera) -> CanonicalView:
        """Give the view that shows as much of a camera's image as the model may be shown; it is made once.

        Raises:
            CameraError: No view of the camera suits the model.
        """
        spec, known = self.engine.info.spec, self._full
        if known is None or known[:2] != (camera, spec):
            self._full = known = (camera, spec, full_view(camera, spec))
        return known[2]

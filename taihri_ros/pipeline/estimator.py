"""Estimates keypoints in the camera frame from an image, its camera and a command.

The steps are those of TAIHRI (arXiv 2604.08921): render the canonical view, prompt the model, parse the bins of its
answer, decode them to pixels and metres, and map these back to the camera that took the image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.commands.command import Command
from taihri_ros.inference.engine import Engine, GenerationRequest
from taihri_ros.inference.top_k import concatenate
from taihri_ros.keypoints import Person
from taihri_ros.model.spec import ModelSpec
from taihri_ros.pipeline.belief import BeliefGate, Thresholds, refuse_unbelieved
from taihri_ros.pipeline.decoder import AnswerDecoder, XySource
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.person_views import PersonViews
from taihri_ros.pipeline.prompt_batch import Decoding, make_prompt_batch, raw_text
from taihri_ros.pipeline.view_fusion import fuse_views


@dataclass(frozen=True, eq=False)
class Exchange:
    """One exchange with the model: a command and the parsed answer.

    Attributes:
        command: The command.
        decoder: Decodes the parsed answer into keypoints.
        raw: The text of the answer, not parsed.
        steps: Number of passes through the language model; 0 if the engine does not report them.
        stages_ms: Milliseconds by stage: `view`, `engine`, `parse`, and the engine's own stages as `engine.<stage>`.
        further: Decoders of the answers about further views of the same person, with which the positions are fused.
    """

    command: Command
    decoder: AnswerDecoder
    raw: str
    steps: int
    stages_ms: dict[str, float]
    further: tuple[AnswerDecoder, ...] = ()

    def with_spec(self, spec: ModelSpec) -> Exchange:
        """Return the exchange with another specification for decoding, such as one with another calibration."""
        further = tuple(replace(decoder, spec=spec) for decoder in self.further)
        return replace(self, decoder=replace(self.decoder, spec=spec), further=further)

    def person(self, xy_source: XySource, *, sub_bin: bool = True) -> Person:
        """Return the person that the answers describe; arguments and errors are those of `AnswerDecoder.person`."""
        person = self.decoder.person(xy_source, sub_bin=sub_bin)
        if not self.further:
            return person
        others = [decoder.person(xy_source, sub_bin=sub_bin) for decoder in self.further]
        return fuse_views(person, others, self.decoder.spec.calibration.confidence_factor(xy_source))

    def estimate(self, xy_source: XySource, thresholds: Thresholds) -> Estimate:
        """Return the decoded keypoints and their stage times.

        Args:
            xy_source: Source of x and y of a keypoint.
            thresholds: What is below them is refused; `belief.OFF` for the answer as it is.

        Returns:
            The estimate, with positions in the camera's optical frame in metres.

        Raises:
            MalformedAnswerError: The log-probabilities of a coordinate contradict its token.
        """
        started = perf_counter()
        decoded = self.person(xy_source)
        person = refuse_unbelieved(decoded, thresholds)
        view = self.decoder.view
        stages = dict(self.stages_ms)
        stages["parse"] += (perf_counter() - started) * 1e3
        size = (view.width, view.height)
        return Estimate(self.command, person, self.raw, stages, self.decoder.spec.name, size, thresholds, decoded)


class Estimator:
    """A stateless estimator of the keypoints that a command needs. It is as thread-safe as its engine.

    Example:
        >>> import numpy as np
        >>> from taihri_ros.camera.camera import Camera
        >>> from taihri_ros.camera.distortion import DistortionModel
        >>> from taihri_ros.commands.command import joint_command
        >>> from taihri_ros.inference.factory import open_engine
        >>> from taihri_ros.resources import NANO
        >>> camera = Camera(640, 480, [[500, 0, 320], [0, 500, 240], [0, 0, 1]], [], DistortionModel.NONE)
        >>> image = np.zeros((480, 640, 3), np.uint8)
        >>> with open_engine("transformers", str(NANO)) as engine:
        ...     estimate = Estimator(engine).estimate(image, camera, joint_command(["right_wrist"]))
        >>> [keypoint.name for keypoint in estimate.person.keypoints]
        ['right_wrist']
    """

    def __init__(
        self,
        engine: Engine,
        *,
        xy_source: XySource = "bins",
        decoding: Decoding = "per_joint",
        gate: BeliefGate | None = None,
    ) -> None:
        """Create an estimator.

        Args:
            engine: The engine that runs the model.
            xy_source: Source of x and y of a keypoint.
            decoding: How the model is prompted for named joints.
            gate: Refuses joints in which the model does not believe; by default with the thresholds of the checkpoint.
        """
        self.engine = engine
        self.xy_source: XySource = xy_source
        self.gate = gate or BeliefGate()
        self._decoding: Decoding = decoding
        self._views: PersonViews | None = None

    def estimate(
        self, image: NDArray[np.uint8], camera: Camera, command: Command, *, view: CanonicalView | None = None
    ) -> Estimate:
        """Return the joints that a command needs.

        Args:
            image: (height, width, 3) uint8 RGB, not undistorted.
            camera: Calibration of the camera that took the image.
            command: The joints to find, as names or as free text.
            view: The view to show the model; by default the largest view that the model accepts.

        Returns:
            The estimate, with positions in the camera's optical frame in metres. Joints in which the model does not
            believe are missing; `Estimate.decoded` has them.

        Raises:
            CameraError: The size of the image differs from the calibration, or the model accepts no view of it.
            EngineError: The engine did not answer.
            MalformedAnswerError: The answer was cut off, or is not in the answer format.
        """
        exchange = self.exchange(image, camera, command, view=view)
        return exchange.estimate(self.xy_source, self.gate.thresholds(exchange.decoder.spec))

    def exchange(
        self, image: NDArray[np.uint8], camera: Camera, command: Command, *, view: CanonicalView | None = None
    ) -> Exchange:
        """Prompt the model and parse its answer, but do not decode it. Arguments and errors are those of `estimate`."""
        camera.check_image(image.shape[1], image.shape[0])
        info = self.engine.info
        started = perf_counter()
        view = view or self.full_view(camera)
        shown = view.render(image)
        rendered = perf_counter()
        batch = make_prompt_batch(command, info, self._decoding, root=_needs_root(command, view, info.spec))
        generation = self.engine.generate(
            GenerationRequest(
                image=shown,
                questions=batch.questions,
                max_tokens=batch.max_tokens,
                repetition_penalty=info.spec.repetition_penalty,
                jump_forward=batch.jump_forward,
            )
        )
        answered = perf_counter()
        answer = batch.parse(generation.answers)
        top_k = concatenate([raw.top_k for raw in generation.answers])
        stages = {
            "view": (rendered - started) * 1e3,
            "engine": (answered - rendered) * 1e3,
            "parse": (perf_counter() - answered) * 1e3,
        }
        stages |= {f"engine.{stage}": duration for stage, duration in generation.timings_ms.items()}
        raw = raw_text(generation.answers)
        return Exchange(command, AnswerDecoder(answer, top_k, view, info.spec, raw), raw, generation.steps, stages)

    def full_view(self, camera: Camera) -> CanonicalView:
        """Return the largest view of a camera's image that the model accepts; it is cached.

        Raises:
            CameraError: The model accepts no view of the camera.
        """
        return self.views(camera).full

    def views(self, camera: Camera) -> PersonViews:
        """Return the views of a camera; those of the last camera are cached.

        Raises:
            CameraError: The model accepts no view of the camera.
        """
        spec, views = self.engine.info.spec, self._views
        if views is None or not views.suit(camera, spec):
            self._views = views = PersonViews(camera, spec)
        return views


def _needs_root(command: Command, view: CanonicalView, spec: ModelSpec) -> bool:
    """Return whether the root is asked for: a zoomed view needs its depth, and so does the next crop that may zoom."""
    return view.focal_px != spec.focal_px or (spec.zooms and bool(command.joints))

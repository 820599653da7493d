"""The method from end to end: an image, its camera and a command to keypoints in the camera frame.

TAIHRI (arXiv 2604.08921): show the model the canonical view, ask, parse the answer's bins, decode them to pixels and
metres, and map these back to the camera that took the image.
"""

from __future__ import annotations

from time import perf_counter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera import Camera
from taihri_ros.command import Command
from taihri_ros.engine.interface import Alternatives, Engine, Generation, GenerationRequest
from taihri_ros.keypoints import Estimate, Keypoint, Person, State
from taihri_ros.language.grammar import free_grammar, longest, named_grammar
from taihri_ros.language.parser import (
    Answer,
    CoordinateToken,
    JointAnswer,
    MalformedAnswerError,
    Outcome,
    parse,
)
from taihri_ros.language.prompts import make_prompt
from taihri_ros.language.style import AnswerStyle
from taihri_ros.model_spec import ModelSpec
from taihri_ros.quantization import BINS, BinEstimate, decode_pixels, estimate_bin
from taihri_ros.view import CanonicalView

XySource = Literal["bins", "pixel"]
"""Where x and y of a point come from: its own 3D bins, or its 2D pixel and the depth."""

_TOKENS_PER_TEXT = 8
_EDGE_POINTS = 9

_STATES = {
    Outcome.ANSWERED: State.MEASURED,
    Outcome.NOT_ANSWERED: State.NOT_ANSWERED,
    Outcome.NOT_ASKED: State.NOT_ASKED,
    Outcome.OUT_OF_RANGE: State.OUT_OF_RANGE,
    Outcome.DUPLICATE: State.DUPLICATE,
    Outcome.NO_3D: State.NO_3D,
    Outcome.NO_2D: State.NO_2D,
}


class Estimator:
    """Estimates the keypoints that a command needs. Used from one thread at a time."""

    def __init__(self, engine: Engine, *, xy_source: XySource = "bins") -> None:
        """Create an estimator.

        Args:
            engine: The engine that answers.
            xy_source: Where x and y come from.
        """
        self.engine = engine
        self._xy_source = xy_source
        self._view: CanonicalView | None = None
        self._view_of: tuple[Camera, ModelSpec] | None = None

    def estimate(self, image: NDArray[np.uint8], camera: Camera, command: Command) -> Estimate:
        """Find the joints that a command needs.

        Args:
            image: (height, width, 3) uint8 RGB, as the camera took it.
            camera: Its calibration.
            command: What to look for.

        Returns:
            The estimate, positions in the camera's optical frame in metres.

        Raises:
            CameraError: The image has another size than the calibration, or no view of it suits the model.
            EngineError: The engine did not answer.
            MalformedAnswerError: The answer cannot be trusted.
        """
        camera.check_image(image.shape[1], image.shape[0])
        info = self.engine.info
        spec, style = info.spec, info.spec.answer or AnswerStyle()
        started = perf_counter()
        view = self._canonical_view(camera, spec)
        shown = view.render(image)
        rendered = perf_counter()
        grammar = named_grammar(command.joints, style) if command.joints else free_grammar(style)
        generation = self.engine.generate(
            GenerationRequest(
                image=shown,
                prompt=make_prompt(command, spec),
                grammar=grammar,
                max_tokens=longest(grammar) * (1 if style == AnswerStyle(box=style.box) else _TOKENS_PER_TEXT) + 1,
                repetition_penalty=spec.repetition_penalty,
            )
        )
        answered = perf_counter()
        person = self._read(generation, view, spec, command)
        stages = {
            "view": (rendered - started) * 1e3,
            "engine": (answered - rendered) * 1e3,
            "parse": (perf_counter() - answered) * 1e3,
        }
        stages |= {f"engine.{stage}": duration for stage, duration in generation.timings_ms.items()}
        return Estimate(command, person, "".join(generation.tokens), stages, spec.name)

    def _canonical_view(self, camera: Camera, spec: ModelSpec) -> CanonicalView:
        if self._view is None or self._view_of != (camera, spec):
            self._view = CanonicalView.fit(
                camera,
                focal_px=spec.focal_px,
                max_size=spec.max_image_size,
                min_pixels=spec.min_pixels,
                max_pixels=spec.max_pixels,
                multiple=spec.image_multiple,
            )
            self._view_of = (camera, spec)
        return self._view

    def _read(self, generation: Generation, view: CanonicalView, spec: ModelSpec, command: Command) -> Person:
        if generation.finish_reason != "stop":
            raise MalformedAnswerError("it was cut off before its end", "".join(generation.tokens))
        answer = parse(generation.tokens, command.joints or None)
        return Person(
            keypoints=tuple(self._keypoint(joint, generation, view, spec) for joint in answer.joints),
            box=_box(answer, view),
        )

    def _keypoint(self, joint: JointAnswer, generation: Generation, view: CanonicalView, spec: ModelSpec) -> Keypoint:
        if joint.outcome is not Outcome.ANSWERED:
            return Keypoint(joint.joint, _STATES[joint.outcome], joint.outcome.value)
        pixel_estimates = [_estimate(coordinate, generation) for coordinate in joint.pixel]
        point_estimates = [_estimate(coordinate, generation) for coordinate in joint.point]
        pixel = decode_pixels([estimate.index for estimate in pixel_estimates], (view.width, view.height))
        point = spec.space.decode([estimate.index for estimate in point_estimates])
        covariance = np.diag([estimate.variance for estimate in point_estimates]) * spec.space.step**2
        if self._xy_source == "pixel":
            pixel_variance = (
                np.array([estimate.variance for estimate in pixel_estimates])
                * (np.array((view.width, view.height)) / (BINS - 1)) ** 2
            )
            point, covariance = _unproject(view, pixel, pixel_variance, float(point[2]), float(covariance[2, 2]))
        probabilities = [estimate.probability for estimate in (*pixel_estimates, *point_estimates)]
        return Keypoint(
            name=joint.joint,
            state=State.MEASURED,
            position=view.points_to_camera(point[None])[0],
            covariance=view.covariances_to_camera(covariance[None])[0],
            confidence=float(np.exp(np.mean(np.log(probabilities)))),
            pixel=view.view_to_source_pixels(pixel[None])[0],
        )


def _estimate(coordinate: CoordinateToken, generation: Generation) -> BinEstimate:
    alternatives = generation.alternatives[coordinate.token] or Alternatives((), ())
    return estimate_bin(coordinate.bin, alternatives.bins, alternatives.logprobs)


def _unproject(
    view: CanonicalView,
    pixel: NDArray[np.float64],
    pixel_variance: NDArray[np.float64],
    depth: float,
    depth_variance: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Put a point on the ray of its pixel; the covariance is that of the product of two independent errors."""
    ray = view.view_rays(pixel[None])[0]
    sideways = np.array([*pixel_variance, 0.0]) / view.focal_px**2 * (depth**2 + depth_variance)
    return ray * depth, np.outer(ray, ray) * depth_variance + np.diag(sideways)


def _box(answer: Answer, view: CanonicalView) -> NDArray[np.float64] | None:
    """Map the box's outline, whose edges a lens may bend, to the source image and span it there."""
    if answer.box is None:
        return None
    left, top, right, bottom = (coordinate.bin for coordinate in answer.box)
    if left >= right or top >= bottom:
        return None
    across, down = np.linspace(left, right, _EDGE_POINTS), np.linspace(top, bottom, _EDGE_POINTS)
    edges = [*((u, v) for v in (top, bottom) for u in across), *((u, v) for u in (left, right) for v in down)]
    outline = view.view_to_source_pixels(decode_pixels(edges, (view.width, view.height)))
    seen = outline[np.isfinite(outline).all(axis=1)]
    return np.concatenate([seen.min(axis=0), seen.max(axis=0)]) if len(seen) else None

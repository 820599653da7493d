"""The method from end to end: an image, its camera and a command to keypoints in the camera frame.

TAIHRI (arXiv 2604.08921): show the model the canonical view, ask, parse the answer's bins, decode them to pixels and
metres, and map these back to the camera that took the image.
"""

from __future__ import annotations

from functools import lru_cache
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera import Camera
from taihri_ros.command import Command
from taihri_ros.decoding import XySource, decode_answer
from taihri_ros.engine.interface import Engine, GenerationRequest
from taihri_ros.keypoints import Estimate
from taihri_ros.language.grammar import Grammar, free_grammar, longest, named_grammar
from taihri_ros.language.parser import MalformedAnswerError, parse
from taihri_ros.language.prompts import make_prompt
from taihri_ros.language.style import AnswerStyle
from taihri_ros.model_spec import ModelSpec
from taihri_ros.view import CanonicalView

_TOKENS_PER_TEXT = 8


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
        spec = self.engine.info.spec
        started = perf_counter()
        view = self._canonical_view(camera, spec)
        shown = view.render(image)
        rendered = perf_counter()
        grammar, max_tokens = _expected_answer(command.joints, spec.answer or AnswerStyle())
        generation = self.engine.generate(
            GenerationRequest(
                image=shown,
                prompt=make_prompt(command, spec),
                grammar=grammar,
                max_tokens=max_tokens,
                repetition_penalty=spec.repetition_penalty,
            )
        )
        answered = perf_counter()
        if generation.finish_reason != "stop":
            raise MalformedAnswerError("it was cut off before its end", "".join(generation.tokens))
        answer = parse(generation.tokens, command.joints or None)
        person = decode_answer(answer, generation.alternatives, view, spec.space, self._xy_source)
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


@lru_cache(maxsize=64)
def _expected_answer(joints: tuple[str, ...], style: AnswerStyle) -> tuple[Grammar, int]:
    """Give the grammar of the answer, and the most tokens that it can have: the same for every frame of a command."""
    grammar = named_grammar(joints, style) if joints else free_grammar(style)
    return grammar, longest(grammar) * (1 if style == AnswerStyle(box=style.box) else _TOKENS_PER_TEXT) + 1

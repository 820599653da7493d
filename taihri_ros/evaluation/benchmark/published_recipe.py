"""The recipe that TAIHRI was published with (arXiv 2604.08921), with the public API of the frameworks.

The whole image is resized to the canonical focal length and sent to the model as a PIL image, with a prompt from the
chat template. The answer is decoded greedily without a grammar and parsed with a regular expression.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.evaluation.benchmark.errors import BenchError
from taihri_ros.inference.framework_imports import require
from taihri_ros.inference.local_engine import LocalEngine
from taihri_ros.inference.transformers.transformers_engine import TransformersEngine
from taihri_ros.inference.vllm.vllm_engine import VllmEngine
from taihri_ros.model.prompts import Prompt
from taihri_ros.model.spec import ModelSpec

REPETITION_PENALTY = 1.05

_POINT_3D = re.compile(r"<\|?(\w+)\|?>[\s,]*<(\d+)>[\s,]*<(\d+)>[\s,]*<(\d+)>")


@dataclass(frozen=True)
class RecipeAnswer:
    """An answer of the recipe.

    Attributes:
        joints: (3,) metres, camera optical frame, by joint name.
        tokens: Number of decoded tokens.
        text: Text of the answer.
        total_ms: Latency from image to joints, ms.
    """

    joints: dict[str, NDArray[np.float64]]
    tokens: int
    text: str
    total_ms: float


Generate = Callable[[str, Any, int], "tuple[str, int]"]
"""Function of a prompt, a PIL image and the largest number of tokens; returns the answer and its length in tokens."""


class PublishedRecipe:
    """The published recipe, on the loaded model of an engine."""

    def __init__(self, engine: LocalEngine) -> None:
        """Create the recipe.

        Args:
            engine: The engine; only the objects of its framework are used.

        Raises:
            BenchError: The engine is neither vLLM nor transformers.
        """
        self._spec: ModelSpec = engine.info.spec
        transformers = require("transformers", "transformers")
        self._processor: Any = transformers.AutoProcessor.from_pretrained(engine.info.model, local_files_only=True)
        if isinstance(engine, VllmEngine):
            self._generate: Generate = _on_vllm(engine.llm_engine, engine.vocabulary.end_ids)
        elif isinstance(engine, TransformersEngine):
            self._generate = _on_transformers(engine.model, self._processor, engine.vocabulary.end_ids)
        else:
            raise BenchError(f"the recipe needs the engine vllm or transformers, not {engine.info.kind}")

    def answer(self, image: NDArray[np.uint8], camera: Camera, prompt: Prompt, max_tokens: int) -> RecipeAnswer:
        """Locate the joints of a prompt.

        Args:
            image: (height, width, 3) uint8 RGB.
            camera: Calibration of the image; the recipe uses only fx.
            prompt: The prompt.
            max_tokens: Largest number of tokens of the answer.

        Returns:
            The answer.
        """
        started = time.perf_counter()
        pil = require("PIL.Image", "evaluation")
        scale = self._spec.focal_px / camera.K[0, 0]
        size = (round(camera.width * scale), round(camera.height * scale))
        picture = pil.fromarray(image).resize(size, pil.Resampling.LANCZOS)
        messages = [
            {"role": "system", "content": prompt.system},
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt.user}]},
        ]
        text = self._processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        answer, tokens = self._generate(text, picture, max_tokens)
        joints = {
            name: self._spec.space.decode([min(int(number), 999) for number in numbers])
            for name, *numbers in _POINT_3D.findall(answer)
        }
        return RecipeAnswer(joints, tokens, answer, 1e3 * (time.perf_counter() - started))


def _on_vllm(engine: Any, end_ids: tuple[int, ...]) -> Generate:
    """Return a function that generates with `LLMEngine.add_request` and `step`, as `LLM.generate` does."""
    sampling = require("vllm.sampling_params", "vllm")
    numbers = itertools.count(1)

    def generate(prompt: str, picture: Any, max_tokens: int) -> tuple[str, int]:
        parameters = sampling.SamplingParams(
            temperature=0.0,
            max_tokens=max_tokens,
            repetition_penalty=REPETITION_PENALTY,
            skip_special_tokens=False,
            stop_token_ids=list(end_ids),
        )
        inputs = {"prompt": prompt, "multi_modal_data": {"image": picture}}
        engine.add_request(f"recipe-{next(numbers)}", inputs, parameters)
        while True:
            for output in engine.step():
                if output.finished:
                    return output.outputs[0].text, len(output.outputs[0].token_ids)

    return generate


def _on_transformers(model: Any, processor: Any, end_ids: tuple[int, ...]) -> Generate:
    """Return a function that generates with `model.generate`."""
    torch = require("torch", "transformers")

    def generate(prompt: str, picture: Any, max_tokens: int) -> tuple[str, int]:
        inputs = processor(text=[prompt], images=[picture], return_tensors="pt").to(model.device)
        with torch.inference_mode():
            ids = model.generate(
                **inputs,
                do_sample=False,
                repetition_penalty=REPETITION_PENALTY,
                max_new_tokens=max_tokens,
                eos_token_id=list(end_ids),
                pad_token_id=end_ids[-1],
            )
        answer = ids[0, inputs["input_ids"].shape[1] :]
        return processor.decode(answer, skip_special_tokens=False), len(answer)

    return generate

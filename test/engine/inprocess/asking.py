"""Images and requests for the engines under test."""

from __future__ import annotations

import numpy as np

from taihri_ros.command import named
from taihri_ros.engine.interface import GenerationRequest
from taihri_ros.engine.tiny import SPEC
from taihri_ros.language.grammar import Grammar, named_grammar
from taihri_ros.language.prompts import Prompt, make_prompt
from taihri_ros.language.style import AnswerStyle

BOTH_WRISTS = ("left_wrist", "right_wrist")
UNLIMITED = 512
NAMED = named_grammar(BOTH_WRISTS, AnswerStyle())


def noise(seed: int, height: int = 416, width: int = 544) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def ask(
    joints: tuple[str, ...] = BOTH_WRISTS,
    *,
    seed: int = 0,
    grammar: Grammar | None = NAMED,
    prompt: Prompt | None = None,
    max_tokens: int = UNLIMITED,
    alternatives: int = 20,
    repetition_penalty: float = 1.05,
    image: np.ndarray | None = None,
) -> GenerationRequest:
    return GenerationRequest(
        image=noise(seed) if image is None else image,
        prompt=prompt or make_prompt(named(joints), SPEC),
        grammar=grammar,
        max_tokens=max_tokens,
        alternatives=alternatives,
        repetition_penalty=repetition_penalty,
    )

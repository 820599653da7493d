"""Decoding of the answer of a remote vLLM server."""

from __future__ import annotations

from taihri_ros.inference.engine import TopK
from taihri_ros.inference.openai.openai_engine import _decode_answer
from taihri_ros.inference.process.fields import Fields
from taihri_ros.model.quantization import ABSENT, BINS


def test_absent_is_read_from_the_answer_of_a_server_that_has_it() -> None:
    step = {
        "token": "<absent>",
        "logprob": -0.5,
        "top_logprobs": [{"token": "<absent>", "logprob": -0.5}, {"token": "<999>", "logprob": -1.0}],
    }
    choice = {"finish_reason": "stop", "logprobs": {"content": [step, {"token": "<|im_end|>"}]}}
    answer = Fields({"choices": [choice]}, "answer")
    assert _decode_answer(answer, True, BINS + 1).top_k == (TopK((ABSENT, 999), (-0.5, -1.0)),)
    assert _decode_answer(answer, True, BINS).top_k == (None,), "without the token it is no coordinate"

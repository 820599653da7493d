"""Tests of inferring the answer format of a checkpoint without `taihri.json` from one unconstrained answer."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest
import torch
from engine_requests import BOTH_WRISTS, generate_one, make_request

from taihri_ros.commands.command import joint_command
from taihri_ros.inference.checkpoint import tiny_checkpoint
from taihri_ros.inference.engine import EngineError, EngineInfo, Generation, GenerationRequest, RawAnswer
from taihri_ros.inference.environment import EngineKind
from taihri_ros.inference.factory import open_engine
from taihri_ros.inference.process.protocol import EngineStatus, State, decode_status, encode_status
from taihri_ros.inference.transformers.transformers_engine import TransformersEngine
from taihri_ros.inference.warmup import check_warmup_answer, learn_answer_format, warmup_image
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import named_grammar
from taihri_ros.model.parser import parse
from taihri_ros.model.prompts import make_prompt
from taihri_ros.model.spec import ModelSpec

ANSWER_FORMAT = AnswerFormat(box=False, joint="text", after_joint=" ", between_coordinates=", ", between_joints=", ")
ANSWER = (
    "<|kpt2d_start|><left_wrist> <261>, <630>, <right_wrist> <700>, <12><|kpt2d_end|>"
    "<|kpt3d_start|><left_wrist> <500>, <400>, <300>, <right_wrist> <520>, <90>, <310><|kpt3d_end|><|im_end|>"
)


def train(directory: Path, target: str) -> None:
    """Train the checkpoint until it answers the warm-up request with the target text."""
    spec = ModelSpec.load(directory)
    with TransformersEngine(directory, spec) as engine:
        model, vocabulary = engine._model, engine.vocabulary
        prompt = make_prompt(joint_command(BOTH_WRISTS), spec)
        request = make_request(image=warmup_image(spec), prompt=prompt, grammar=None)
        inputs = engine._inputs(request, vocabulary.prompt_ids(prompt))
        words = torch.tensor([vocabulary.ids(target)])
        length = inputs["input_ids"].shape[1]
        answers = {"input_ids": words, "attention_mask": torch.ones_like(words), "mm_token_type_ids": 0 * words}
        for name, values in answers.items():
            inputs[name] = torch.cat([inputs[name], values.to(inputs[name].dtype)], dim=1)
        labels = inputs["input_ids"].clone()
        labels[:, :length] = -100
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        with torch.random.fork_rng():
            for _ in range(80):
                loss = model(**inputs, labels=labels).loss
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if loss.item() < 0.005:
                    break
        assert loss.item() < 0.05, "this test needs a model that has memorised the answer"
        model.save_pretrained(directory)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tiny_checkpoint.build(tmp_path_factory.mktemp("trained") / "tiny", spec=None)
    train(directory, ANSWER)
    return directory


def test_the_answer_format_is_inferred_and_used(trained: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "taihri_ros"), open_engine("transformers", str(trained)) as engine:
        assert engine.info.spec.answer == ANSWER_FORMAT
        assert any("inferred from its answer" in record.message for record in caplog.records)
        spec = engine.info.spec
        request = make_request(
            image=warmup_image(spec),
            prompt=make_prompt(joint_command(BOTH_WRISTS), spec),
            grammar=named_grammar(BOTH_WRISTS, ANSWER_FORMAT),
            repetition_penalty=spec.repetition_penalty,
        )
        assert generate_one(engine, request).text + "<|im_end|>" == ANSWER


def test_a_malformed_answer_keeps_the_default_format_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tiny_checkpoint.build(tmp_path / "tiny", spec=None)
    with caplog.at_level(logging.INFO, "taihri_ros"), open_engine("transformers", str(directory)) as engine:
        assert engine.info.spec.answer == AnswerFormat()
    (record,) = [record for record in caplog.records if record.name.startswith("taihri_ros")]
    assert record.levelno == logging.WARNING
    assert "cannot infer the answer format" in record.message


def with_coordinates_as_text(directory: Path) -> None:
    path = directory / "tokenizer.json"
    values = json.loads(path.read_text())
    values["added_tokens"] = [token for token in values["added_tokens"] if not re.fullmatch(r"<\d+>", token["content"])]
    path.write_text(json.dumps(values))


@pytest.fixture(scope="module")
def trained_as_text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tiny_checkpoint.build(tmp_path_factory.mktemp("text") / "tiny", spec=None)
    with_coordinates_as_text(directory)
    train(directory, ANSWER)
    return directory


@pytest.mark.handles(
    "Engine", "a checkpoint whose coordinates are ordinary text", "unconstrained answers, points without a covariance"
)
@pytest.mark.parametrize("kind", ["transformers", "vllm"])
def test_a_checkpoint_with_coordinates_as_text_answers_without_constraints(
    trained_as_text: Path, kind: EngineKind
) -> None:
    with open_engine(kind, str(trained_as_text), options={"dtype": "float32"}) as engine:
        assert "ordinary text" in engine.info.unconstrained
        assert not engine.info.batched
        spec = engine.info.spec
        request = make_request(
            image=warmup_image(spec),
            prompt=make_prompt(joint_command(BOTH_WRISTS), spec),
            grammar=named_grammar(BOTH_WRISTS, AnswerFormat()),
            repetition_penalty=spec.repetition_penalty,
        )
        answer = generate_one(engine, request)
        assert answer.text + "<|im_end|>" == ANSWER
        assert not any(answer.top_k)
        joints = parse(answer.tokens, BOTH_WRISTS).joints
        assert [tuple(one.bin for one in joint.pixel + joint.point) for joint in joints] == [
            (261, 630, 500, 400, 300),
            (700, 12, 520, 90, 310),
        ]
        assert decode_status(encode_status(EngineStatus(state=State.READY, info=engine.info), 1)).info == engine.info


def test_a_checkpoint_that_answers_without_any_coordinate_is_refused(tmp_path: Path) -> None:
    """Random weights answer nonsense, as those of another model answer something else."""
    directory = tiny_checkpoint.build(tmp_path / "tiny", spec=None)
    with_coordinates_as_text(directory)
    with pytest.raises(EngineError, match="is not a TAIHRI checkpoint: its answer about a person"):
        open_engine("transformers", str(directory))


class Told:
    """An engine that gives a fixed answer."""

    def __init__(self, text: str) -> None:
        self.info = EngineInfo(kind="told", version="", model="told", device="", dtype="", spec=ModelSpec())
        self.text = text

    def generate(self, request: GenerationRequest) -> Generation:
        return Generation(answers=(RawAnswer(tokens=(self.text,), top_k=(None,), finish_reason="stop"),))

    def adopt_answer_format(self, answer_format: AnswerFormat) -> None:
        self.adopted = answer_format

    def give_up_constraints(self, reason: str) -> None:
        self.reason = reason


def test_a_checkpoint_that_answers_in_json_remains_unconstrained() -> None:
    told = Told('```json\n{"keypoints": {"left_wrist": "<841><424><697>"}}\n```')
    learn_answer_format(told)  # type: ignore[arg-type]
    assert "JSON" in told.reason


@pytest.mark.parametrize(
    ("text", "warned"), [("<|kpt2d_start|><left_wrist><261><630>", True), (ANSWER.removesuffix("<|im_end|>"), False)]
)
def test_a_malformed_unconstrained_answer_with_coordinates_is_a_warning(
    caplog: pytest.LogCaptureFixture, text: str, warned: bool
) -> None:
    told = Told(text)
    told.info = told.info.as_unconstrained("text", has_probabilities=False)
    check_warmup_answer(told)  # type: ignore[arg-type]
    assert ("the warm-up answer of told is malformed" in caplog.text) == warned


def test_labels_and_names_in_words_are_learned() -> None:
    names = ANSWER.replace("<left_wrist> ", "left wrist: ").replace("<right_wrist> ", "right wrist: ")
    told = Told("<|object_ref_start|>person<|object_ref_end|><|box_start|><1>, <2>, <3>, <4><|box_end|>" + names)
    learn_answer_format(told)  # type: ignore[arg-type]
    assert told.adopted == AnswerFormat(
        joint="words", after_joint=": ", between_coordinates=", ", between_joints=", ", label="person"
    )

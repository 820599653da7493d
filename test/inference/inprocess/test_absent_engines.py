"""Real engines with a checkpoint that answers `<absent>` for the wrists, in every way of decoding."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from engine_requests import assert_close, noise
from safetensors.torch import load_file, save_file
from test_checkpoint_checks import WEIGHTS, edit_json, rename_token

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import joint_command, parse_command
from taihri_ros.inference.checkpoint import tiny_checkpoint
from taihri_ros.inference.checkpoint.checks import check_checkpoint
from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.inference.engine import CheckpointError, Generation, GenerationRequest
from taihri_ros.inference.factory import open_engine
from taihri_ros.inference.local_engine import LocalEngine
from taihri_ros.inference.process import protocol
from taihri_ros.keypoints import State
from taihri_ros.model.quantization import ABSENT, ABSENT_TOKEN
from taihri_ros.model.spec import Belief
from taihri_ros.pipeline.belief import OFF, BeliefGate
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.prompt_batch import Decoding, make_prompt_batch
from taihri_ros.skeleton import INDEX, joint_token

SPEC = replace(tiny_checkpoint.SPEC_WITH_ABSENT, belief=Belief(0.0, 0.5))
WRISTS = ("left_wrist", "right_wrist")
DECODINGS: tuple[Decoding, ...] = ("per_joint", "jump_forward", "plain")
CAMERA = Camera(
    640, 480, np.array([[600.0, 0, 319.5], [0, 600.0, 239.5], [0, 0, 1]]), np.empty(0), DistortionModel.NONE
)
KINDS = ("transformers", "vllm")


def nudge(directory: Path) -> None:
    """Make `<absent>` the most likely token after the names of the wrists, and nowhere else.

    One direction of the residual stream dominates after these names, and only the output row of `<absent>` reads it.
    """
    vocabulary = Vocabulary(directory, absent=True)
    tensors = load_file(directory / WEIGHTS)
    direction = np.random.default_rng(0).choice([-1.0, 1.0], tensors["lm_head.weight"].shape[1])
    along = tensors["lm_head.weight"].new_tensor(direction)
    for joint in WRISTS:
        tensors["model.language_model.embed_tokens.weight"][vocabulary.ids(joint_token(joint))[0]] += 20.0 * along
    tensors["lm_head.weight"][vocabulary.coordinates[ABSENT]] = 0.1 * along
    save_file(tensors, directory / WEIGHTS, metadata={"format": "pt"})


@pytest.fixture(scope="module")
def nudged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tiny_checkpoint.build(tmp_path_factory.mktemp("absent") / "tiny", spec=SPEC)
    nudge(directory)
    return directory


@pytest.fixture(scope="module")
def engines(nudged: Path) -> Iterator[dict[str, LocalEngine]]:
    with (
        open_engine("transformers", str(nudged)) as one,
        open_engine("vllm", str(nudged), options={"dtype": "float32"}) as other,
    ):
        yield {"transformers": one, "vllm": other}


class OverTheWire:
    """An engine whose answers cross the protocol between the node and the engine process."""

    def __init__(self, engine: LocalEngine) -> None:
        self.info, self._engine = engine.info, engine

    def generate(self, request: GenerationRequest) -> Generation:
        frames = protocol.pack(protocol.encode_generation(self._engine.generate(request), 1))
        return protocol.decode_generation(protocol.unpack(frames))


@pytest.mark.parametrize("decoding", DECODINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_nobody_is_there_if_the_model_says_so_of_every_joint(
    engines: dict[str, LocalEngine], kind: str, decoding: Decoding
) -> None:
    estimator = Estimator(OverTheWire(engines[kind]), decoding=decoding)  # type: ignore[arg-type]
    estimate = estimator.estimate(noise(0, 480, 640), CAMERA, joint_command(WRISTS))
    assert estimate.person.presence == 0.0
    assert {keypoint.state for keypoint in estimate.person.keypoints} == {State.NOBODY}
    assert estimate.decoded is not None
    assert {keypoint.state for keypoint in estimate.decoded.keypoints} == {State.NOT_ANSWERED}
    assert estimate.answer.count(ABSENT_TOKEN) >= 2


@pytest.mark.parametrize("decoding", DECODINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_other_joints_keep_their_coordinates(engines: dict[str, LocalEngine], kind: str, decoding: Decoding) -> None:
    estimator = Estimator(
        OverTheWire(engines[kind]),  # type: ignore[arg-type]
        decoding=decoding,
        gate=BeliefGate(*OFF),
    )
    exchange = estimator.exchange(noise(0, 480, 640), CAMERA, joint_command(("head", "left_wrist")))
    head, wrist = exchange.estimate("bins", OFF).person.keypoints
    assert (wrist.state, wrist.reason) == (State.NOT_ANSWERED, "the model answered that it is not there")
    assert head.state is not State.NOT_ANSWERED
    log_odds = exchange.decoder.log_odds()
    assert log_odds[INDEX["left_wrist"]] < -5.0
    assert log_odds[INDEX["head"]] > 5.0


@pytest.mark.parametrize("decoding", DECODINGS)
def test_both_frameworks_give_equal_answers(engines: dict[str, LocalEngine], decoding: Decoding) -> None:
    info = engines["vllm"].info
    for command in (joint_command(("head", *WRISTS)), parse_command("shake my hand")):
        batch = make_prompt_batch(command, info, decoding)
        request = GenerationRequest(
            image=noise(1), questions=batch.questions, max_tokens=batch.max_tokens, jump_forward=batch.jump_forward
        )
        one, other = (engines[kind].generate(request) for kind in KINDS)
        for left, right in zip(one.answers, other.answers, strict=True):
            assert_close(left, right)
    named = make_prompt_batch(joint_command(WRISTS), info, decoding)
    request = GenerationRequest(
        image=noise(1), questions=named.questions, max_tokens=named.max_tokens, jump_forward=named.jump_forward
    )
    entries = [entry for answer in engines["vllm"].generate(request).answers for entry in answer.top_k if entry]
    assert {len(entry.bins) for entry in entries} == {20}
    assert sum(entry.bins[0] == ABSENT for entry in entries) >= 2


def test_all_ways_of_decoding_agree(engines: dict[str, LocalEngine]) -> None:
    image, command = noise(2, 480, 640), joint_command(("left_wrist",))
    texts = {
        (kind, decoding): Estimator(engine, decoding=decoding).exchange(image, CAMERA, command).raw
        for kind, engine in engines.items()
        for decoding in DECODINGS
    }
    assert len(set(texts.values())) == 1
    assert re.search(r"<\|kpt2d_start\|><\|left_wrist\|><absent>", next(iter(texts.values())))


@pytest.mark.handles(
    "Engine",
    "checkpoint that declares the token for absent joints, but does not have it",
    "refused: the message says so",
)
def test_a_checkpoint_without_the_token_that_it_declares_is_refused(tmp_path: Path) -> None:
    directory = tiny_checkpoint.build(tmp_path / "tiny", spec=SPEC)
    check_checkpoint(directory)
    edit_json("tokenizer.json", rename_token(ABSENT_TOKEN, "<nowhere>"))(directory)
    with pytest.raises(CheckpointError, match=r"has no token <absent>, but in taihri\.json") as caught:
        check_checkpoint(directory)
    assert "\n" not in str(caught.value)
    path = directory / "taihri.json"
    spec = json.loads(path.read_text())
    spec["answer"]["absent"] = False
    path.write_text(json.dumps(spec))
    check_checkpoint(directory)


def test_a_checkpoint_that_does_not_declare_the_token_never_answers_it(nudged: Path, tmp_path: Path) -> None:
    """The same weights and tokenizer, only `answer.absent` is false."""
    for path in nudged.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "taihri.json").unlink()
    replace(SPEC, answer=replace(SPEC.answer, absent=False)).save(tmp_path)  # type: ignore[type-var]
    with open_engine("transformers", str(tmp_path)) as engine:
        for decoding in DECODINGS:
            estimator = Estimator(engine, decoding=decoding)
            exchange = estimator.exchange(noise(0, 480, 640), CAMERA, joint_command(WRISTS))
            assert ABSENT_TOKEN not in exchange.raw
            assert all(joint.pixel for joint in exchange.decoder.answer.joints)

"""A tiny Qwen3-VL with random weights and the whole token layout of TAIHRI, built offline in about a second.

It takes every path that the real checkpoint takes (processor, tokenizer, vision tower, grammar), so tests and demo run
anywhere. What it answers means nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from taihri_ros.engine.framework import require
from taihri_ros.engine.interface import CheckpointError
from taihri_ros.errors import TaihriError
from taihri_ros.language.lexer import BLOCKS
from taihri_ros.language.style import AnswerStyle
from taihri_ros.model_spec import FILE_NAME, ModelSpec
from taihri_ros.quantization import BINS, coordinate_token
from taihri_ros.skeleton import JOINTS, joint_token

RECORD = "tiny.json"
"""Says what a directory was built from."""

SPEC = ModelSpec(name="tiny-random", trained=False, focal_px=500.0, answer=AnswerStyle())
"""Its numbers. The short focal length keeps the image small: 640x480 of a 600 px camera has some 220 visual tokens."""

_QWEN_TOKENS = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"),
    *("<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
_TAIHRI_TOKENS = (
    *(token for name in ("2d", "3d") for token in BLOCKS[name]),
    *(joint_token(joint) for joint in JOINTS),
    *(coordinate_token(index) for index in range(BINS)),
)
_CHAT_TEMPLATE = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' }}"
    "{%- if message.content is string %}{{- message.content }}{%- else %}{%- for part in message.content %}"
    "{%- if part.type == 'image' or part.type == 'image_url' %}{{- '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{%- elif 'text' in part %}{{- part.text }}{%- endif %}{%- endfor %}{%- endif %}"
    "{{- '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
_MERGES = 250
_LONGEST_CONTEXT = 32768


def build(directory: Path, *, seed: int = 0, spec: ModelSpec | None = SPEC, tied: bool = False) -> Path:
    """Build the checkpoint, unless the same one is there already.

    Args:
        directory: Where to; it appears whole or not at all.
        seed: Of the weights.
        spec: What `taihri.json` says, or None to leave that file out, as the official checkpoint does.
        tied: Whether input and output embeddings are one tensor, as in the small models of the Qwen3-VL family.

    Returns:
        The directory.

    Raises:
        CheckpointError: The directory holds something else.
        EngineError: transformers is not installed.
    """
    numbers = None if spec is None else spec.to_dict()
    record = json.dumps({"seed": seed, "spec": numbers, "tied": tied}, sort_keys=True)
    if _is_built(directory, record):
        return directory
    if directory.is_dir() and any(directory.iterdir()) and not (directory / RECORD).is_file():
        raise CheckpointError(f"{directory} is not empty and holds no tiny checkpoint: name another directory")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}-") as scratch:
        fresh = Path(scratch) / "checkpoint"
        _write(fresh, seed, spec or dataclasses.replace(SPEC, answer=None), tied)
        if spec is not None:
            spec.save(fresh)
        (fresh / RECORD).write_text(record, encoding="utf-8")
        _replace(directory, fresh, record)
    return directory


def _is_built(directory: Path, record: str) -> bool:
    path = directory / RECORD
    return path.is_file() and path.read_text(encoding="utf-8") == record


def _replace(directory: Path, fresh: Path, record: str) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    try:
        fresh.rename(directory)
    except OSError as error:
        if not _is_built(directory, record):  # else another process was quicker
            raise CheckpointError(f"{directory} cannot be written: {error}") from error


def _write(directory: Path, seed: int, spec: ModelSpec, tied: bool) -> None:
    tokenizer = _make_tokenizer()
    tokenizer.save_pretrained(directory)
    _write_image_processor(directory, spec)
    torch = require("torch", "transformers")
    transformers = require("transformers", "transformers")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.Qwen3VLForConditionalGeneration(_make_config(tokenizer, tied))
    stops = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    model.generation_config = transformers.GenerationConfig(eos_token_id=stops, pad_token_id=stops[1], do_sample=False)
    model.save_pretrained(directory)


def _make_tokenizer() -> Any:
    """Byte-level BPE with Qwen's pre-tokenizer: every UTF-8 text has tokens, the prompts' own words have few."""
    tokenizers = require("tokenizers", "transformers")
    qwen2 = require("transformers.models.qwen2.tokenization_qwen2", "transformers")
    bytes_, split = tokenizers.pre_tokenizers.ByteLevel, tokenizers.pre_tokenizers.Split
    trained = tokenizers.Tokenizer(tokenizers.models.BPE())
    trained.normalizer = tokenizers.normalizers.NFC()
    trained.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [split(tokenizers.Regex(qwen2.PRETOKENIZE_REGEX), "isolated"), bytes_(False, use_regex=False)]
    )
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=256 + _MERGES, initial_alphabet=sorted(bytes_.alphabet()), show_progress=False
    )
    words = [
        SPEC.system_prompt,
        SPEC.named_prompt.format(joints=", ".join(JOINTS)),
        "system user assistant",
        "<0>, <1>",
    ]
    trained.train_from_iterator(words * 4, trainer)
    model = json.loads(trained.to_str())["model"]
    tokenizer = qwen2.Qwen2Tokenizer(
        vocab=model["vocab"],
        merges=[tuple(merge) for merge in model["merges"]],
        unk_token=None,
        bos_token=None,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=_LONGEST_CONTEXT,
        clean_up_tokenization_spaces=False,
        chat_template=_CHAT_TEMPLATE,
    )
    added = (tokenizers.AddedToken(text, special=True, normalized=False) for text in (*_QWEN_TOKENS, *_TAIHRI_TOKENS))
    tokenizer.add_tokens(list(added))
    return tokenizer


def _write_image_processor(directory: Path, spec: ModelSpec) -> None:
    """Write the processors' settings, with the specification's pixel budget so that no canonical view is resized."""
    common = {
        "size": {"shortest_edge": spec.min_pixels, "longest_edge": spec.max_pixels},
        "patch_size": 16,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "processor_class": "Qwen3VLProcessor",
    }
    settings = {
        "preprocessor_config.json": common | {"image_processor_type": "Qwen2VLImageProcessor"},
        "video_preprocessor_config.json": common | {"video_processor_type": "Qwen3VLVideoProcessor"},
    }
    for name, values in settings.items():
        (directory / name).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _make_config(tokenizer: Any, tied: bool) -> Any:
    """Give the architecture: Qwen3-VL with every part of it, each as small as it can be."""
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in ("image_pad", "video_pad")}
    width, head = 128, 32
    text = {
        "vocab_size": -(-len(tokenizer) // 128) * 128,  # padded beyond the tokenizer, as the real one is
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": 4,
        "num_attention_heads": width // head,
        "num_key_value_heads": width // head // 2,
        "head_dim": head,
        "max_position_embeddings": _LONGEST_CONTEXT,
        "initializer_range": 0.05,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 5e6,
            "mrope_section": [6, 5, 5],
            "mrope_interleaved": True,
        },
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "tie_word_embeddings": tied,
    }
    vision = {
        "depth": 2,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_heads": 2,
        "out_hidden_size": width,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [0],
        "initializer_range": 0.05,
    }
    return require("transformers", "transformers").Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["image_pad"],
        video_token_id=ids["video_pad"],
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        tie_word_embeddings=tied,
    )


def main() -> None:
    """Build the checkpoint that the command line names."""
    parser = argparse.ArgumentParser(description="Build a tiny random checkpoint with the token layout of TAIHRI.")
    parser.add_argument("directory", type=Path, help="where to write it")
    parser.add_argument("--seed", type=int, default=0, help="seed of the weights")
    parser.add_argument("--without-spec", action="store_true", help=f"leave {FILE_NAME} out")
    arguments = parser.parse_args()
    try:
        build(arguments.directory, seed=arguments.seed, spec=None if arguments.without_spec else SPEC)
    except TaihriError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()

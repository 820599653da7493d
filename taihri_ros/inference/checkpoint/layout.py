"""Files of a TAIHRI checkpoint other than the weights: tokenizer, chat template, image processor, configuration.

A checkpoint of any size that is built from them has the same files and the same order of token ids as the official one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from taihri_ros.inference.framework_imports import require
from taihri_ros.model.lexer import BLOCKS
from taihri_ros.model.quantization import ABSENT_TOKEN, BINS, coordinate_token
from taihri_ros.model.spec import ModelSpec
from taihri_ros.skeleton import JOINTS, joint_token

PATCH_PX, MERGE = 16, 2
TOKEN_PX = PATCH_PX * MERGE
"""Side of a visual token, px."""

MAX_CONTEXT = 32768
"""Context length, tokens."""

_QWEN_TOKENS = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"),
    *("<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
TAIHRI_TOKENS = (
    *(token for name in ("2d", "3d") for token in BLOCKS[name]),
    *(joint_token(joint) for joint in JOINTS),
    *(coordinate_token(index) for index in range(BINS)),
)
"""The tokens that TAIHRI adds to those of Qwen3-VL."""

_CHAT_TEMPLATE = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' }}"
    "{%- if message.content is string %}{{- message.content }}{%- else %}{%- for part in message.content %}"
    "{%- if part.type == 'image' or part.type == 'image_url' %}{{- '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{%- elif 'text' in part %}{{- part.text }}{%- endif %}{%- endfor %}{%- endif %}"
    "{{- '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)


def added_tokens(*, absent: bool) -> tuple[str, ...]:
    """Return the tokens that are added to those of Qwen3-VL: TAIHRI's and, where it is used, `<absent>`."""
    return (*TAIHRI_TOKENS, ABSENT_TOKEN) if absent else TAIHRI_TOKENS


def make_tokenizer(words: Iterable[str], merges: int, *, absent: bool = False) -> Any:
    """Train a byte-level BPE tokenizer with Qwen's pre-tokenizer; it can encode any UTF-8 text.

    Args:
        words: The texts to train on.
        merges: Number of tokens besides the 256 bytes and the added tokens.
        absent: Whether the tokenizer has `<absent>`.

    Returns:
        A transformers tokenizer with all added tokens of Qwen3-VL and TAIHRI.

    Raises:
        EngineError: transformers is not installed.
    """
    tokenizers = require("tokenizers", "transformers")
    qwen2 = require("transformers.models.qwen2.tokenization_qwen2", "transformers")
    bytes_, split = tokenizers.pre_tokenizers.ByteLevel, tokenizers.pre_tokenizers.Split
    trained = tokenizers.Tokenizer(tokenizers.models.BPE())
    trained.normalizer = tokenizers.normalizers.NFC()
    trained.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [split(tokenizers.Regex(qwen2.PRETOKENIZE_REGEX), "isolated"), bytes_(False, use_regex=False)]
    )
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=256 + merges, initial_alphabet=sorted(bytes_.alphabet()), show_progress=False
    )
    trained.train_from_iterator(words, trainer)
    model = json.loads(trained.to_str())["model"]
    tokenizer = qwen2.Qwen2Tokenizer(
        vocab=model["vocab"],
        merges=[tuple(merge) for merge in model["merges"]],
        unk_token=None,
        bos_token=None,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=MAX_CONTEXT,
        clean_up_tokenization_spaces=False,
        chat_template=_CHAT_TEMPLATE,
    )
    texts = (*_QWEN_TOKENS, *added_tokens(absent=absent))
    tokenizer.add_tokens([tokenizers.AddedToken(text, special=True, normalized=False) for text in texts])
    return tokenizer


def write_image_processor(directory: Path, spec: ModelSpec) -> None:
    """Write the settings of the image and video processors; they never resize a canonical view.

    Args:
        directory: The checkpoint's directory.
        spec: The checkpoint's specification; its pixel limits are written to the settings.
    """
    common = {
        "size": {"shortest_edge": spec.min_pixels, "longest_edge": spec.max_pixels},
        "patch_size": PATCH_PX,
        "temporal_patch_size": 2,
        "merge_size": MERGE,
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


def make_config(tokenizer: Any, *, text: Mapping[str, Any], vision: Mapping[str, Any], tied: bool) -> Any:
    """Create the configuration of a small Qwen3-VL.

    Args:
        tokenizer: Tokenizer from `make_tokenizer`.
        text: Sizes of the language model, as arguments of transformers' `Qwen3VLTextConfig`.
        vision: Sizes of the vision tower, as arguments of `Qwen3VLVisionConfig`.
        tied: Whether input and output embeddings share one tensor.

    Returns:
        A transformers Qwen3VLConfig.

    Raises:
        EngineError: transformers is not installed.
    """
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in ("image_pad", "video_pad")}
    common = {
        "vocab_size": -(-len(tokenizer) // 128) * 128,  # padded, as in the official checkpoint
        "max_position_embeddings": MAX_CONTEXT,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "tie_word_embeddings": tied,
    }
    return require("transformers", "transformers").Qwen3VLConfig(
        text_config=common | dict(text),
        vision_config={"patch_size": PATCH_PX, "spatial_merge_size": MERGE} | dict(vision),
        image_token_id=ids["image_pad"],
        video_token_id=ids["video_pad"],
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        tie_word_embeddings=tied,
    )


def rope_parameters(base: float, head_dim: int) -> dict[str, Any]:
    """Return the settings of Qwen3-VL's interleaved rotary embedding, divided equally among time, rows and columns."""
    third = head_dim // 2 // 3
    return {
        "rope_type": "default",
        "rope_theta": base,
        "mrope_section": [head_dim // 2 - 2 * third, third, third],
        "mrope_interleaved": True,
    }


def make_generation_config(tokenizer: Any) -> Any:
    """Create the generation settings of a checkpoint: greedy decoding until an end token."""
    stops = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    return require("transformers", "transformers").GenerationConfig(
        eos_token_id=stops, pad_token_id=stops[1], do_sample=False
    )

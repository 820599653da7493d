"""The layout of a TAIHRI checkpoint: the tokens, the chat template and the image processor around a Qwen3-VL.

What is built here offline has the same files and order of ids as an official checkpoint, whatever the network's size.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from taihri_ros.inference.framework import require
from taihri_ros.model.lexer import BLOCKS
from taihri_ros.model.quantization import BINS, coordinate_token
from taihri_ros.model.spec import ModelSpec
from taihri_ros.skeleton import JOINTS, joint_token

PATCH_PX, MERGE = 16, 2
TOKEN_PX = PATCH_PX * MERGE
"""Side of a visual token in px."""

LONGEST_CONTEXT = 32768

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
"""The tokens that TAIHRI adds to Qwen3-VL's."""

_CHAT_TEMPLATE = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' }}"
    "{%- if message.content is string %}{{- message.content }}{%- else %}{%- for part in message.content %}"
    "{%- if part.type == 'image' or part.type == 'image_url' %}{{- '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{%- elif 'text' in part %}{{- part.text }}{%- endif %}{%- endfor %}{%- endif %}"
    "{{- '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)


def make_tokenizer(words: Iterable[str], merges: int) -> Any:
    """Make a byte-level BPE tokenizer with Qwen's pre-tokenizer: every UTF-8 text has tokens, common words have few.

    Args:
        words: The texts that it is trained on.
        merges: How many tokens it has beside the 256 bytes and the added ones.

    Returns:
        A transformers tokenizer with all of Qwen3-VL's and TAIHRI's tokens.

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
        model_max_length=LONGEST_CONTEXT,
        clean_up_tokenization_spaces=False,
        chat_template=_CHAT_TEMPLATE,
    )
    added = (tokenizers.AddedToken(text, special=True, normalized=False) for text in (*_QWEN_TOKENS, *TAIHRI_TOKENS))
    tokenizer.add_tokens(list(added))
    return tokenizer


def write_image_processor(directory: Path, spec: ModelSpec) -> None:
    """Write the processors' settings, with the specification's pixel budget so that no canonical view is resized.

    Args:
        directory: Of the checkpoint.
        spec: Its numbers.
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
    """Give the configuration of a small Qwen3-VL.

    Args:
        tokenizer: What `make_tokenizer` made.
        text: Sizes of the language model, as transformers' Qwen3VLTextConfig names them.
        vision: Sizes of the vision tower, as Qwen3VLVisionConfig names them.
        tied: Whether input and output embeddings are one tensor.

    Returns:
        A transformers Qwen3VLConfig.

    Raises:
        EngineError: transformers is not installed.
    """
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in ("image_pad", "video_pad")}
    common = {
        "vocab_size": -(-len(tokenizer) // 128) * 128,  # padded beyond the tokenizer, as the real one is
        "max_position_embeddings": LONGEST_CONTEXT,
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


def rope(base: float, head_dim: int) -> dict[str, Any]:
    """Give the interleaved rotary embedding of Qwen3-VL for a head size, shared out over time, rows and columns."""
    third = head_dim // 2 // 3
    return {
        "rope_type": "default",
        "rope_theta": base,
        "mrope_section": [head_dim // 2 - 2 * third, third, third],
        "mrope_interleaved": True,
    }


def answer_ends(tokenizer: Any) -> Any:
    """Give the generation settings of a checkpoint: greedy, until the end of the answer."""
    stops = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    return require("transformers", "transformers").GenerationConfig(
        eos_token_id=stops, pad_token_id=stops[1], do_sample=False
    )

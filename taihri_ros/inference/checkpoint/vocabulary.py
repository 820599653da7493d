"""A checkpoint's tokens: texts to ids and back, and prompts as ids in which no user text can become a control token."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from taihri_ros.inference.engine import CheckpointError
from taihri_ros.inference.framework import require
from taihri_ros.model.lexer import BLOCKS, END_OF_ANSWER
from taihri_ros.model.prompts import Prompt
from taihri_ros.model.quantization import BINS, coordinate_token
from taihri_ros.skeleton import JOINTS, joint_token

_CHAT = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|image_pad|>", "<|vision_end|>")
_PROMPTS_KEPT = 256
_UNKNOWN = "\ufffd"
"""Text of an id that stands for no token: an embedding has more rows than the tokenizer, which a model may pick."""


class Vocabulary:
    """The tokenizer of a checkpoint.

    Attributes:
        first_coordinate: Id of `<0>`; the ids of the other 999 coordinates follow it.
        end_ids: Ids of the tokens that end an answer.
        image_id: Id of the placeholder that stands for the image.
    """

    def __init__(self, checkpoint: Path) -> None:
        """Read `tokenizer.json`.

        Args:
            checkpoint: The checkpoint's directory.

        Raises:
            CheckpointError: The file is missing or broken, or lacks tokens that the answers are made of.
            EngineError: The package tokenizers is not installed.
        """
        path = checkpoint / "tokenizer.json"
        if not path.is_file():
            raise CheckpointError(f"{checkpoint} has no tokenizer.json: copy the checkpoint again, with all its files")
        tokenizers = require("tokenizers", "transformers")
        try:
            text = path.read_text(encoding="utf-8")
            self._whole: Any = tokenizers.Tokenizer.from_str(text)
            self._plain: Any = tokenizers.Tokenizer.from_str(json.dumps(json.loads(text) | {"added_tokens": []}))
        except Exception as error:  # tokenizers raises nothing narrower
            raise CheckpointError(f"{path} cannot be read ({error}): copy the checkpoint again") from error
        self._texts: dict[int, str] = {}
        self._prompt_ids = lru_cache(_PROMPTS_KEPT)(self._lay_out)
        self._check(path)
        self.first_coordinate: int = self._whole.token_to_id(coordinate_token(0))
        self.end_ids: tuple[int, ...] = tuple(map(self._whole.token_to_id, END_OF_ANSWER))
        self.image_id: int = self._whole.token_to_id("<|image_pad|>")

    @property
    def coordinates(self) -> range:
        """Ids of the coordinate tokens, in the order of their bins."""
        return range(self.first_coordinate, self.first_coordinate + BINS)

    def text(self, token: int) -> str:
        """Give a token's text, special tokens spelled out; part of a character is the replacement character."""
        if token not in self._texts:
            known = self._whole.id_to_token(token) is not None
            self._texts[token] = self._whole.decode([token], skip_special_tokens=False) if known else _UNKNOWN
        return self._texts[token]

    def texts(self, tokens: Sequence[int]) -> tuple[str, ...]:
        """Give the texts of several tokens."""
        return tuple(map(self.text, tokens))

    def ids(self, text: str) -> tuple[int, ...]:
        """Give the ids of our own text, in which special tokens are meant as such."""
        return tuple(self._whole.encode(text, add_special_tokens=False).ids)

    def plain_ids(self, text: str) -> tuple[int, ...]:
        """Give the ids of somebody else's text: no added token comes out, whatever is written in it."""
        return tuple(self._plain.encode(text, add_special_tokens=False).ids)

    def prompt_ids(self, prompt: Prompt) -> tuple[int, ...]:
        """Lay out a prompt as Qwen3-VL's chat template does: system message, then image and text of the user.

        Args:
            prompt: System and user message.

        Returns:
            The ids, with one placeholder for the image; those of a prompt that comes again are kept.
        """
        return self._prompt_ids(prompt)

    def _lay_out(self, prompt: Prompt) -> tuple[int, ...]:
        start, end, vision_start, image, vision_end = map(self._whole.token_to_id, _CHAT)
        gap = self.plain_ids("\n")
        return (
            *(start, *self.plain_ids("system\n" + prompt.system), end, *gap),
            *(
                start,
                *self.plain_ids("user\n"),
                vision_start,
                image,
                vision_end,
                *self.plain_ids(prompt.user),
                end,
                *gap,
            ),
            *(start, *self.plain_ids("assistant\n")),
        )

    def _check(self, path: Path) -> None:
        needed = [
            *_CHAT,
            *END_OF_ANSWER,
            *(token for block in BLOCKS.values() for token in block),
            *(joint_token(joint) for joint in JOINTS),
            *(coordinate_token(index) for index in range(BINS)),
        ]
        missing = [token for token in needed if self._whole.token_to_id(token) is None or len(self.ids(token)) != 1]
        if missing:
            raise CheckpointError(
                f"{path} lacks {len(missing)} of the tokens that TAIHRI adds, such as {', '.join(missing[:3])}: "
                "this is not a TAIHRI checkpoint, or its tokenizer is another model's"
            )
        ids = [self._whole.token_to_id(coordinate_token(index)) for index in range(BINS)]
        if ids != list(range(ids[0], ids[0] + BINS)):
            raise CheckpointError(f"{path}: the ids of <0> to <{BINS - 1}> do not follow each other")

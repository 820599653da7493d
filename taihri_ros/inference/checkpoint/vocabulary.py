"""The tokens of a checkpoint: texts to ids and back, and prompts in which user text never becomes a control token."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from taihri_ros.inference.engine import CheckpointError
from taihri_ros.inference.framework_imports import require
from taihri_ros.model.lexer import BLOCKS, END_OF_ANSWER
from taihri_ros.model.prompts import Prompt
from taihri_ros.model.quantization import ABSENT_TOKEN, BINS, coordinate_token
from taihri_ros.model.spec import FILE_NAME
from taihri_ros.skeleton import JOINTS, joint_token

_CHAT = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|image_pad|>", "<|vision_end|>")
_PROMPTS_KEPT = 256
_UNKNOWN = "\ufffd"
"""Text of an id without a token. The embedding has more rows than there are tokens, so a model may pick one."""


class Vocabulary:
    """The tokenizer of a checkpoint.

    Attributes:
        first_coordinate: Id of `<0>`; the ids of the other 999 bins follow it, then that of `<absent>`, if it is used.
        end_ids: Ids of the tokens that end an answer.
        image_id: Id of the image placeholder.
    """

    def __init__(self, checkpoint: Path, *, absent: bool = False) -> None:
        """Read `tokenizer.json`.

        Args:
            checkpoint: The checkpoint's directory.
            absent: Whether the model may answer `<absent>` (`ModelSpec.has_absent`).

        Raises:
            CheckpointError: The file is missing or invalid, or lacks tokens that answers need.
            EngineError: The package tokenizers is not installed.
        """
        path = checkpoint / "tokenizer.json"
        if not path.is_file():
            raise CheckpointError(f"{checkpoint} has no tokenizer.json: download or copy the checkpoint again")
        tokenizers = require("tokenizers", "transformers")
        try:
            text = path.read_text(encoding="utf-8")
            self._whole: Any = tokenizers.Tokenizer.from_str(text)
            self._plain: Any = tokenizers.Tokenizer.from_str(json.dumps(json.loads(text) | {"added_tokens": []}))
        except Exception as error:  # tokenizers raises plain Exception
            raise CheckpointError(f"{path} cannot be read ({error}): download or copy the checkpoint again") from error
        self._texts: dict[int, str] = {}
        self._prompt_ids = lru_cache(_PROMPTS_KEPT)(self._uncached_prompt_ids)
        self._check(path, absent)
        self.first_coordinate: int = self._whole.token_to_id(coordinate_token(0))
        self._coordinates = range(self.first_coordinate, self.first_coordinate + BINS + absent)
        self.end_ids: tuple[int, ...] = tuple(map(self._whole.token_to_id, END_OF_ANSWER))
        self.image_id: int = self._whole.token_to_id("<|image_pad|>")

    @property
    def coordinates(self) -> range:
        """Ids of the coordinate tokens: those of the bins in their order, then that of `<absent>`, if it is used."""
        return self._coordinates

    def text(self, token: int) -> str:
        """Return a token's text, also of a special token; a token that is part of a character becomes U+FFFD."""
        if token not in self._texts:
            known = self._whole.id_to_token(token) is not None
            self._texts[token] = self._whole.decode([token], skip_special_tokens=False) if known else _UNKNOWN
        return self._texts[token]

    def texts(self, tokens: Sequence[int]) -> tuple[str, ...]:
        """Return the texts of several tokens."""
        return tuple(map(self.text, tokens))

    def ids(self, text: str) -> tuple[int, ...]:
        """Return the ids of a trusted text, in which special tokens are recognised."""
        return tuple(self._whole.encode(text, add_special_tokens=False).ids)

    def plain_ids(self, text: str) -> tuple[int, ...]:
        """Return the ids of an untrusted text, such as a user's command; they never contain an added token."""
        return tuple(self._plain.encode(text, add_special_tokens=False).ids)

    def prompt_ids(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the ids of a prompt in Qwen3-VL's chat template: system message, then the user's image and text.

        Args:
            prompt: System and user message.

        Returns:
            The ids, with one placeholder for the image; they are cached.
        """
        return self._prompt_ids(prompt)

    def _uncached_prompt_ids(self, prompt: Prompt) -> tuple[int, ...]:
        start, end, vision_start, image, vision_end = map(self._whole.token_to_id, _CHAT)
        newline = self.plain_ids("\n")
        return (
            *(start, *self.plain_ids("system\n" + prompt.system), end, *newline),
            *(
                start,
                *self.plain_ids("user\n"),
                vision_start,
                image,
                vision_end,
                *self.plain_ids(prompt.user),
                end,
                *newline,
            ),
            *(start, *self.plain_ids("assistant\n")),
        )

    def _check(self, path: Path, absent: bool) -> None:
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
                "use a TAIHRI checkpoint with its own tokenizer"
            )
        ids = [self._whole.token_to_id(coordinate_token(index)) for index in range(BINS)]
        if ids != list(range(ids[0], ids[0] + BINS)):
            raise CheckpointError(
                f"{path}: the ids of <0> to <{BINS - 1}> are not consecutive: use a TAIHRI checkpoint"
            )
        if absent and self.ids(ABSENT_TOKEN) != (ids[-1] + 1,):
            raise CheckpointError(
                f"{path} has no token {ABSENT_TOKEN} directly after <{BINS - 1}>, but in {FILE_NAME} answer.absent is "
                "true: set it to false, or use the tokenizer that the model was trained with"
            )

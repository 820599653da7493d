"""The tokens of a checkpoint: texts to ids and back, and prompts in which user text never becomes a control token."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from taihri_ros.inference.checkpoint.files import COPY_AGAIN
from taihri_ros.inference.checkpoint.tokenizer_files import build_tokenizers, missing_ids, read_tokenizer
from taihri_ros.inference.coordinate_ids import CoordinateIds
from taihri_ros.inference.engine import CheckpointError, EngineError
from taihri_ros.model.lexer import BLOCKS, END_OF_ANSWER
from taihri_ros.model.prompts import Prompt
from taihri_ros.model.quantization import ABSENT_TOKEN, BINS, coordinate_token
from taihri_ros.model.spec import FILE_NAME
from taihri_ros.skeleton import JOINTS, joint_token

_CHAT = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|image_pad|>", "<|vision_end|>")
_NAMES = (*(token for block in BLOCKS.values() for token in block), *map(joint_token, JOINTS))
_COORDINATES = tuple(map(coordinate_token, range(BINS)))
_CONTROL = frozenset((*_CHAT, *END_OF_ANSWER, *_NAMES, *_COORDINATES, ABSENT_TOKEN))
_PROMPTS_KEPT = 256
_UNKNOWN = "\ufffd"
"""Text of an id without a token. The embedding has more rows than there are tokens, so a model may pick one."""


class Vocabulary:
    """The tokenizer of a checkpoint.

    Attributes:
        coordinates: Ids of the coordinate tokens: those of the bins in their order, then that of `<absent>`, if it is
            used; none where coordinates are ordinary text of several tokens.
        cannot_constrain: Why answers cannot be constrained to the grammar; None if they can.
        has_gaps: Whether an id below the largest one has no token. transformers then gives tokens other ids than these,
            and a framework must read the tokenizer of `write_without_gaps`.
        end_ids: Ids of the tokens that end an answer.
        image_id: Id of the image placeholder.
        largest_id: Largest id that a prompt's control tokens or the tokens of an answer have.
    """

    def __init__(self, checkpoint: Path, *, absent: bool = False) -> None:
        """Read the files of the tokenizer; see `read_tokenizer`.

        Args:
            checkpoint: The checkpoint's directory.
            absent: Whether the model may answer `<absent>` (`ModelSpec.has_absent`).

        Raises:
            CheckpointError: A file is missing or invalid, or the tokenizer lacks tokens that answers need.
            EngineError: The package tokenizers is not installed.
        """
        tokenizer = read_tokenizer(checkpoint)
        path = f"the tokenizer of {checkpoint}"
        try:
            self._whole, self._plain = build_tokenizers(tokenizer, _CONTROL)
        except EngineError:
            raise
        except Exception as error:  # tokenizers raises plain Exception
            raise CheckpointError(f"{path} cannot be read ({error}): {COPY_AGAIN}") from error
        self.has_gaps = bool(missing_ids(tokenizer))
        self._texts: dict[int, str] = {}
        self._prompt_ids = lru_cache(_PROMPTS_KEPT)(self._uncached_prompt_ids)
        if not self._are_tokens(path, (*_CHAT, *END_OF_ANSWER)):
            raise CheckpointError(f"{path} has no control tokens: use a TAIHRI checkpoint with its own tokenizer")
        self.coordinates = CoordinateIds(self._find_coordinates(path, absent))
        self.cannot_constrain: str | None = (
            None
            if self.coordinates
            else f"{_COORDINATES[0]} to {_COORDINATES[-1]} are ordinary text of several tokens in {path}"
        )
        for texts in (*BLOCKS.values(), tuple(map(joint_token, JOINTS))):
            self._are_tokens(path, texts)
        self.end_ids: tuple[int, ...] = tuple(map(self._whole.token_to_id, END_OF_ANSWER))
        self.image_id: int = self._whole.token_to_id("<|image_pad|>")
        self.largest_id = max(*self.coordinates, *self.ids("".join((*_CHAT, *END_OF_ANSWER, *_NAMES))))

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

    def _find_coordinates(self, path: str, absent: bool) -> tuple[int, ...]:
        if not self._are_tokens(path, _COORDINATES):
            return ()
        if absent and self._single(ABSENT_TOKEN) is None:
            raise CheckpointError(
                f"{path} has no token {ABSENT_TOKEN}, but in {FILE_NAME} answer.absent is true: set it to false, or "
                "use the tokenizer that the model was trained with"
            )
        return self.ids("".join((*_COORDINATES, ABSENT_TOKEN) if absent else _COORDINATES))

    def _are_tokens(self, path: str, texts: Sequence[str]) -> bool:
        """Return whether each of several texts is one token; if only some are, the tokenizer is another model's."""
        missing = [text for text in texts if self._single(text) is None]
        if 0 < len(missing) < len(texts):
            raise CheckpointError(
                f"{path} lacks {len(missing)} of the tokens that TAIHRI adds, such as {', '.join(missing[:3])}: "
                "use a TAIHRI checkpoint with its own tokenizer"
            )
        return not missing

    def _single(self, text: str) -> int | None:
        """Return the id of a text that is one token, else None."""
        ids = self.ids(text)
        return ids[0] if len(ids) == 1 else None

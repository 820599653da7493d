"""Several continuations of one prompt in one row of transformers' model: each sees the prompt and itself.

The prompt is read once. What follows it, one branch a question, stands in the same row and is kept apart by the
attention mask and by positions that begin anew where the prompt ends, as in tree attention (SpecInfer, arXiv
2305.09781). So every pass through the model advances all branches by a token and more, whatever their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_PROMPT = -1


class PrefixTree:
    """The row, and what the model remembers of it."""

    def __init__(self, model: Any, inputs: Mapping[str, Any]) -> None:
        """Begin a row with a prompt.

        Args:
            model: A `Qwen3VLForConditionalGeneration`.
            inputs: `input_ids` and `mm_token_type_ids` of the prompt, (1, length) both, and its image's `pixel_values`
                and `image_grid_thw`.
        """
        import torch

        self._torch: Any = torch
        self._model = model
        self._image = {name: inputs[name] for name in ("pixel_values", "image_grid_thw")}
        self._memory: Any = None
        prompt = inputs["input_ids"]
        self._positions, _ = model.model.get_rope_index(
            prompt, inputs["mm_token_type_ids"], self._image["image_grid_thw"]
        )
        self._start = int(self._positions.max()) + 1
        self._unread = prompt
        self._owners = torch.full((prompt.shape[1],), _PROMPT, device=prompt.device)
        self._lengths: dict[int, int] = {}
        self.passes = 0

    def read(self, branches: Mapping[int, Sequence[int]]) -> Any:
        """Append tokens to branches and let the model read them, and the prompt with the first call.

        Args:
            branches: Token ids to append, by the branches' numbers; none of them empty.

        Returns:
            (branches, vocabulary) float32 logits of what may follow, in the order of `branches`.
        """
        torch, device = self._torch, self._unread.device
        ids = torch.tensor([[token for tokens in branches.values() for token in tokens]], device=device)
        owners = torch.tensor([branch for branch, tokens in branches.items() for _ in tokens], device=device)
        places: list[int] = []
        for branch, tokens in branches.items():
            length = self._lengths.get(branch, 0)
            places += range(length, length + len(tokens))
            self._lengths[branch] = length + len(tokens)
        positions = (torch.tensor(places, device=device) + self._start).expand(3, 1, -1)
        first = self._memory is None
        if first:
            ids, positions = torch.cat([self._unread, ids], 1), torch.cat([self._positions, positions], 2)
        new = ids.shape[1]
        self._owners = torch.cat([self._owners, owners])
        output = self._model.model(
            input_ids=ids,
            position_ids=positions,
            attention_mask=self._mask(new),
            past_key_values=self._memory,
            use_cache=True,
            **(self._image if first else {}),
        )
        self._memory = output.past_key_values
        self.passes += 1
        ends = torch.tensor([len(tokens) for tokens in branches.values()], device=device).cumsum(0) - 1
        states = output.last_hidden_state[0, new - len(places) + ends]
        return self._model.lm_head(states).float()

    def _mask(self, new: int) -> Any:
        """Let each of the newest tokens see what stands before it of the prompt and of its own branch."""
        torch, owners = self._torch, self._owners
        total = len(owners)
        places = torch.arange(total, device=owners.device)
        mine, earlier = owners[None, :] == owners[total - new :, None], places[None, :] <= places[total - new :, None]
        seen = (mine | (owners == _PROMPT)[None, :]) & earlier
        dtype = self._model.dtype
        nothing = torch.zeros((), dtype=dtype, device=owners.device)
        return torch.where(seen, nothing, torch.finfo(dtype).min)[None, None]

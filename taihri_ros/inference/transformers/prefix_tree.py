"""Batched decoding of several continuations of one prompt, in one sequence of a transformers model.

The prompt is processed once. Its continuations, one branch for each question, follow it in the same sequence. An
attention mask restricts each branch to the prompt and its own tokens, and the position ids of each branch start at the
end of the prompt, as in tree attention (SpecInfer, arXiv 2305.09781). Each forward pass advances all branches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_PROMPT = -1
"""Number of the branch of the tokens that all branches share."""


class PrefixTree:
    """Sequence of a shared prompt and its branches, with the model's KV cache.

    Attributes:
        passes: Number of forward passes so far.
    """

    def __init__(self, model: Any, inputs: Mapping[str, Any]) -> None:
        """Create a tree without branches.

        Args:
            model: A `Qwen3VLForConditionalGeneration`.
            inputs: `input_ids` and `mm_token_type_ids` of the prompt, (1, length) each, and `pixel_values` and
                `image_grid_thw` of its image.
        """
        import torch

        self._torch: Any = torch
        self._model = model
        self._image = {name: inputs[name] for name in ("pixel_values", "image_grid_thw")}
        self._kv_cache: Any = None
        prompt = inputs["input_ids"]
        self._positions, _ = model.model.get_rope_index(
            prompt, inputs["mm_token_type_ids"], self._image["image_grid_thw"]
        )
        self._start = int(self._positions.max()) + 1
        self._prompt = prompt
        self._branch_of_token = torch.full((prompt.shape[1],), _PROMPT, device=prompt.device)
        self._lengths: dict[int, int] = {}
        self.passes = 0

    def forward(self, branches: Mapping[int, Sequence[int]]) -> Any:
        """Append tokens to branches and run a forward pass over them; the first call also processes the prompt.

        Args:
            branches: Token ids to append by branch number; none of them empty.

        Returns:
            (branches, vocabulary) float32 logits of the next token, in the order of `branches`.
        """
        torch, device = self._torch, self._prompt.device
        ids = torch.tensor([[token for tokens in branches.values() for token in tokens]], device=device)
        branch_of_token = torch.tensor([branch for branch, tokens in branches.items() for _ in tokens], device=device)
        offsets: list[int] = []
        for branch, tokens in branches.items():
            length = self._lengths.get(branch, 0)
            offsets += range(length, length + len(tokens))
            self._lengths[branch] = length + len(tokens)
        positions = (torch.tensor(offsets, device=device) + self._start).expand(3, 1, -1)
        first = self._kv_cache is None
        if first:
            ids, positions = torch.cat([self._prompt, ids], 1), torch.cat([self._positions, positions], 2)
        new = ids.shape[1]
        self._branch_of_token = torch.cat([self._branch_of_token, branch_of_token])
        output = self._model.model(
            input_ids=ids,
            position_ids=positions,
            attention_mask=self._mask(new),
            past_key_values=self._kv_cache,
            use_cache=True,
            **(self._image if first else {}),
        )
        self._kv_cache = output.past_key_values
        self.passes += 1
        ends = torch.tensor([len(tokens) for tokens in branches.values()], device=device).cumsum(0) - 1
        states = output.last_hidden_state[0, new - len(offsets) + ends]
        return self._model.lm_head(states).float()

    def _mask(self, new: int) -> Any:
        """Return the attention mask of the newest tokens: each attends to the prompt and to its branch."""
        torch, branch_of_token = self._torch, self._branch_of_token
        total = len(branch_of_token)
        index = torch.arange(total, device=branch_of_token.device)
        same_branch = branch_of_token[None, :] == branch_of_token[total - new :, None]
        earlier = index[None, :] <= index[total - new :, None]
        visible = (same_branch | (branch_of_token == _PROMPT)[None, :]) & earlier
        dtype = self._model.dtype
        zero = torch.zeros((), dtype=dtype, device=branch_of_token.device)
        return torch.where(visible, zero, torch.finfo(dtype).min)[None, None]

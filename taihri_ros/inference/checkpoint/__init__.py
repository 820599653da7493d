"""Checkpoints on disk: validation, vocabulary, file and token layout, and checkpoints for tests and measurements.

- `checks`: can an engine load it; `files`, `safetensors_header`, `low_bit_weights`, `tied_head`, `adapter` (LoRA) read
  the parts;
- `vocabulary`, `tokenizer_files`, `layout`: its tokens, and the files that hold them;
- `inspection`, `contents`, `memory`, `licence`: what `taihri model inspect` says about it;
- `hub`, `lock`: fetching one, and knowing that it is still the same;
- `tiny_checkpoint`, `random_checkpoint`: checkpoints with random weights.
"""

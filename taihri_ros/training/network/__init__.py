"""The network in training: its initial weights, tokens, batches and losses.

- `nano_model`, `initial_weights`, `tokens`: a new model, or TAIHRI's tokens in a published one;
- `packing`, `patch_batch`: questions and pictures as a batch;
- `answer_loss`, `dense`: the losses of supervised fine-tuning and of dense pre-training;
- `attention`: faster attention on a CPU; `lora`: low-rank adapters; `trained_weights`: checkpoints of what is trained.
"""

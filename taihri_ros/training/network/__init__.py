"""The network in training: its initial weights, tokens, batches and losses."""

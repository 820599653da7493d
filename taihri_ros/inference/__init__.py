"""Inference engines: they turn an image, a prompt and a grammar into answer tokens with top-k log-probabilities."""

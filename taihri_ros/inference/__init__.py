"""Engines: what turns an image, a prompt and a grammar into answer tokens with their alternatives."""

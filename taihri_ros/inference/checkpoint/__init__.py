"""Checkpoints on disk: checks before loading, vocabulary, token layout, and a tiny one for tests."""

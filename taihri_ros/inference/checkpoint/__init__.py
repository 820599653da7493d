"""Checkpoints on disk: validation, vocabulary, file and token layout, and a tiny checkpoint for tests."""

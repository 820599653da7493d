"""Shared by every test: this file's directory is importable, so that tests find the helpers beside it."""

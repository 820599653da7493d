"""Synthetic people: bodies, poses, clothes and motion."""

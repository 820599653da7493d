"""Synthetic people in front of a robot: posed bodies, rooms, lenses, pictures and exact labels."""

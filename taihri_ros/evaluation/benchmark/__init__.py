"""Measures the node against the recipe with which TAIHRI was published."""

"""Training of a TAIHRI model, from random weights or from a published checkpoint."""

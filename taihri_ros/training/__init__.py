"""Training: supervised fine-tuning of a TAIHRI model, from nothing or from a published checkpoint."""

"""Rewards of reinforcement fine-tuning: what a sampled answer about a person is worth, and which tokens earned it."""

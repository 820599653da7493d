"""Reinforcement fine-tuning: sampled answers, their advantages, and the loss of the policy."""

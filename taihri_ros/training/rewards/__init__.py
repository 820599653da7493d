"""Rewards of reinforcement fine-tuning: what a sampled answer about a person is worth, and which tokens earned it.

- `answers`, `targets`: sampled and right answers as arrays;
- `terms`: a function for each term of the reward; `rewards`: their mean, and the share of each block of each joint.
"""

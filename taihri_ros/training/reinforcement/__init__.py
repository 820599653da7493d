"""Reinforcement fine-tuning: sampled answers, their advantages, and the loss of the policy.

- `policy`: the module that is trained; `asked_views`: what it is asked;
- `rollout`, `answer_steps`: sampling within the grammar, and the decisions in an answer;
- `advantages`, `bin_rewards`: what each decision was worth, as sampled and for every bin, by the rewards of the folder
  `rewards` beside this one;
- `policy_loss`, `tree_packing`: the loss, and the answers to a question in one row;
- `position_errors`: a metric.
"""

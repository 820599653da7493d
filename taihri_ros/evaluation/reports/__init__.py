"""Reports of an evaluation: tables and plots.

- `report`: `metrics.json` and `report.md`; `belief_report`: `belief.json` and `belief.md`; `peer_report`: the
  comparison with other models;
- `tables`, `plots`, `uncertainty_plot`: what they consist of.
"""

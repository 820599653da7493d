"""How sure a model must be before its joints are published: pictures of nobody, false alarms and thresholds.

- `nobody_pictures`: the pictures without people; `photographs`, `artificial_pictures`: two of their sources;
- `search_answers`: answers about every view in which a node looks for somebody; `answers`: answers as arrays;
- `trade_off`: false alarms and lost joints by threshold; `calibration`: the thresholds of a checkpoint.
"""

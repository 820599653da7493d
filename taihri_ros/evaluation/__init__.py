"""How good a checkpoint is: data sets, the evaluation run, metrics, a baseline, and reports."""

"""Evaluation of a checkpoint: data sets, the run, metrics, a baseline, reports, and benchmarks of latency.

- `question_plan`, `spoken_commands`: what is asked about each image;
- `evaluate`, `predictions`: the run, and the file of its answers;
- `joint_errors`, `metrics`, `uncertainty_metrics`, `selection_metrics`, `identity_metrics`: from answers to numbers;
- `mean_pose`: the baseline that ignores the image; `peer_comparison`: other models on the same pictures;
- `picture_bootstrap`: 95 % intervals; `summary`: everything in one table;
- `calibration`: the factors that a checkpoint needs so that its covariances are right.

The folder `datasets` reads labelled images, `labels` makes them from depth, `belief` finds the thresholds below which
no joint is published, `reports` writes the pages, and `benchmark` measures time.
"""

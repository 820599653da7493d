"""Evaluation of a checkpoint: data sets, the run, metrics, a baseline, reports, and benchmarks of latency."""

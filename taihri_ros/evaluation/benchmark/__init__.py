"""Benchmarks of latency and accuracy; scripts run as `python -m taihri_ros.evaluation.benchmark.NAME`."""

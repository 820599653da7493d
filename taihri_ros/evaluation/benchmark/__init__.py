"""Benchmarks of latency and accuracy; scripts run as `python -m taihri_ros.evaluation.benchmark.NAME`.

Of the node: `stages` (each stage over DDS), `node_settings`, `comparison` with `published_recipe` (`taihri bench`),
`engine_comparison`, `crop_accuracy`, `several_people`, `crossing_people`, `body_accuracy`, `surface_offsets`.

Of an engine: `decoding_modes`, `latency_growth`, `view_cost`, `token_agreement`, `fleet`; on a GPU `gpu_check`, with
the limits from `memory_bandwidth` and `size_arithmetic`.

Shared by them: `script_options`, `simulated_frames`, `aggregates`, `process_usage`, `errors`.
"""

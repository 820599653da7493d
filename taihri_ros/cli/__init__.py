"""The `taihri` command.

`main` is the command itself. Each subcommand has a file of its name, which is imported when it is called: `bag`,
`bench`, `calibrate`, `demo`, `doctor` (its checks: `doctor_checks`), `engine`, `eval`, `label`, `listen`, `localize`,
`model` (its page: `model_page`), `run`, `simulate`, `synth`, `train`, `view`.

Options that several of them share: `options`, `node_options`, `bag_options`, `data_options`, `nobody_options`,
`peer_options`. What else they share: `evaluation_run` (an engine on a data set), `extras` (packages that may be
missing), `stop_signals` and `run_signals` (signals).
"""

from __future__ import annotations

from taihri_ros.cli import run_signals  # noqa: F401 - handles the signals of `taihri run` before the slower imports
from taihri_ros.cli.main import main

__all__ = ["main"]

"""Cameras: calibrations, lens distortion, and the canonical view that the model is shown."""

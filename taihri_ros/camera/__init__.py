"""Cameras: calibration, lens distortion, and the canonical view that is the model's input image."""

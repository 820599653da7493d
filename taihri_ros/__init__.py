"""Metric 3D keypoints of the person in front of a robot, found from its camera and a spoken or typed command."""

__version__ = "0.1.0"

"""Turns a frame and a command into keypoints in the camera frame, with uncertainty."""

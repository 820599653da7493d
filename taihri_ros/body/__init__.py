"""Recovers the whole body, its joints' orientations and its surface from one person's keypoints."""

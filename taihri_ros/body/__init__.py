"""Recovers the whole body, its joints' orientations and its surface from one person's keypoints.

- `recovery`: from the keypoints of a frame to a body; `start`, `fit`, `priors`: where a fit begins, the fit itself, and
  what is known of a body before its keypoints;
- `template`, `kinematics`, `mesh`: the body template, the pose of its skeleton, and its posed surface;
- `distance`: the nearest place of a body to a point or a segment; `glb`: bodies as files.
"""

"""The demo: commands the node on the simulated robot camera, and compares its keypoints with the ground truth."""

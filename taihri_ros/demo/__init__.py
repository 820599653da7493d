"""The demo: sends commands to the node on a simulated camera, and compares its keypoints with the ground truth."""

"""From one frame and a command to keypoints in the camera frame, with uncertainty."""

"""Labels from recorded depth images: 2D keypoints of an engine and the measured depth give 3D joints.

- `bag_labels`: the labelling of one bag; `body_depth`: 2D keypoints and depth to 3D joints; `registration`: is the
  depth registered to the colour images;
- `label_directory`, `label_sheet`: the labels that are written, and a picture to look at;
- `simulated_truth`: exact labels from a bag of the simulated camera.
"""

"""Turns a frame and a command into keypoints in the camera frame, with uncertainty.

From a frame that arrives to one that is published:

- `scheduler`: which frame is next, and whose results are wanted; `jobs` and `frames` are what it works on,
  `calibrations`, `frame_age` and `stamp_gaps` what it knows of the camera;
- `frame_processor`: the steps of one frame;
- `counters`, `drop_reasons`, `problem_log`: no frame disappears without being counted, and none floods the log.

From an image to keypoints:

- `tracker`: what earlier frames have taught; the folder `people` has the same for several people;
- `person_crop`, `person_views`: which view of the image the model is shown; `find_person` for a single picture;
- `estimator`: one exchange with the model; `prompt_batch` has its prompts, `estimate` its result;
- `decoder`: bins to metres; `uncertainty`: their covariance and confidence; `view_fusion`: several views as one.

What is published of them:

- `presence`, `belief`: is there anybody, and is the model sure enough of a joint;
- `depth_fusion`: a measured depth; `motion_filter`, `constant_velocity`: motion over time;
- `guards`: what cannot be a human's joint.
"""

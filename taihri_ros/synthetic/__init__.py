"""Synthetic people in front of a robot: posed bodies, rooms, lenses, pictures and exact labels.

Pictures for training and evaluation:

- `sample`: one picture, from its seed; `generation`, `worker_pool`: many; `dataset`: their files;
- `lenses`, `viewpoints`, `room`, `decor`, `surface_patterns`, `company`: what is sampled for it beside the person;
- `labels`, `person_labels`, `owners`: its exact labels; `bare_body`: the true body of a picture, made again;
- `frozen_split`: the test split; `empty_rooms`: pictures without people; `contact_sheet`: many pictures as one.

The simulated robot camera:

- `robot_camera`: a ROS 2 node; `recorded_camera`: the same into a bag; `simulated_camera`: its calibration;
- `simulation`: one person who does as the command says, in a `scene`;
- `crossing_simulation`, `crossings`, `walks`: several who walk past each other;
- `depth_sensor`, `true_detections`: what a depth camera and a detector would see.

The folder `people` makes and dresses bodies, `rendering` draws them.
"""

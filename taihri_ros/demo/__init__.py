"""The demo: sends commands to the node on a simulated camera, and compares its keypoints with the ground truth.

- `planner`: sends the commands, and records what comes back;
- `summary`, `people`, `bodies`: what came back, against the truth;
- `pictures`, `view`: the same for people's eyes;
- `arm_node`, `simulated_arm`: the arm of examples/reach; `arm_watcher`, `arm_report`, `arm_pictures`: what it did;
- `true_keypoints`: a node that knows the truth, to try the arm without an engine.
"""

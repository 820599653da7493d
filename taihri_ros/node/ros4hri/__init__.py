"""ROS4HRI (REP-155): bodies as other robots' software reads them, from the same results as the node's own topics.

- `output`: the part of the application; `tracked_humans`: who is tracked, with ids; `humans`: what is published;
- `human_model`, `body_urdf`, `joint_angles`: the kinematic model of REP-155, its URDF, and its angles in a fitted body;
- `skeleton`: the 18 points in the picture.
"""

"""ROS4HRI (REP-155): bodies as other robots' software reads them, from the same results as the node's own topics."""

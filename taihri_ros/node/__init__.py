"""Hosts move messages between ROS 2 and the perception node; all behaviour lives in the classes that they carry."""

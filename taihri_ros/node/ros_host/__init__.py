"""The rclpy host: the node /taihri as a lifecycle node in a ROS 2 installation."""

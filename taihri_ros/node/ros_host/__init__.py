"""The rclpy host: the node as a lifecycle node in a ROS 2 installation."""

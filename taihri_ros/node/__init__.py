"""The ROS 2 node: hosts transport the messages, and everything else is shared between them."""

"""Without hri_msgs, the rclpy host says what to install."""

from __future__ import annotations

import importlib.util

import pytest

from taihri_ros.node.ros_host.message_classes import MessagePackageError, message_class


@pytest.mark.skipif(importlib.util.find_spec("hri_msgs") is not None, reason="hri_msgs is installed")
@pytest.mark.handles(
    "Settings and DDS",
    "`ros4hri.enabled` without hri_msgs (rclpy host)",
    "configuring fails with one line that says what to install",
)
def test_a_missing_message_package_is_named() -> None:
    with pytest.raises(MessagePackageError, match=r"hri_msgs is not installed: apt install ros-\$ROS_DISTRO-hri-msgs"):
        message_class("hri_msgs/msg/IdsList")

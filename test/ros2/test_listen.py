"""The node /taihri_listen on rclpy: what another recogniser heard becomes a command."""

from __future__ import annotations

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from robot import wait_for
from std_msgs.msg import String
from taihri_ros.msg import HeardSpeech

from taihri_ros.voice.interpretation import Kind
from taihri_ros.voice.ros_listener import RosListener


def test_text_becomes_a_command(domain: int) -> None:
    context = Context()
    arguments = ["--ros-args", "-p", "audio:=none", "-p", "bridges:=text live_speech"]
    if not _has_hri_msgs():
        arguments[-1] = "bridges:=text"
    rclpy.init(args=arguments, context=context, domain_id=domain)
    executor = SingleThreadedExecutor(context=context)
    commands: list[str] = []
    heard: list[HeardSpeech] = []
    try:
        node, other = (rclpy.create_node(name, context=context) for name in ("taihri_listen", "recogniser"))
        executor.add_node(node)
        executor.add_node(other)
        other.create_subscription(String, "/taihri/command", lambda message: commands.append(message.data), 10)
        other.create_subscription(HeardSpeech, "/taihri_listen/heard", heard.append, 10)
        text = other.create_publisher(String, "/taihri_listen/text", 10)
        with RosListener(node):

            def spun(condition: object) -> bool:
                executor.spin_once(timeout_sec=0.1)
                return bool(condition)

            wait_for(lambda: spun(text.get_subscription_count() and node.count_subscribers("/taihri_listen/heard")))
            text.publish(String(data="turn off the lights"))
            text.publish(String(data="shake my left hand"))
            wait_for(lambda: spun(len(heard) == 2 and commands))
    finally:
        executor.shutdown()
        context.try_shutdown()
    assert commands == ["shake my left hand"]
    assert [message.kind for message in heard] == [Kind.NOTHING, Kind.COMMAND]


def _has_hri_msgs() -> bool:
    try:
        import hri_msgs.msg  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True

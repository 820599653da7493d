"""Launch the node /taihri, configure and activate it, and optionally show the results in RViz.

ros2 launch taihri_ros taihri.launch.py model:=<checkpoint> image:=/camera/image_raw camera_info:=/camera/camera_info
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix, get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.conditions import IfCondition
from launch.events.process import ProcessExited
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

SHARE = get_package_share_directory("taihri_ros")

PARAMETERS = {
    "model": ("engine.model", "Checkpoint directory; with engine:=openai, name of the served model."),
    "engine": ("engine.kind", "Engine: vllm or transformers; mediapipe, without a language model, on any CPU; openai."),
    "engine_python": ("engine.python", "Python interpreter of the engine environment."),
    "engine_url": ("engine.url", "URL of a remote vllm serve, for engine:=openai."),
    "image_transport": (
        "image_transport",
        "Topic to subscribe to: raw for <image>, compressed for <image>/compressed.",
    ),
    "depth_transport": (
        "depth.transport",
        "Depth topic to subscribe to: raw for <depth>, compressedDepth for <depth>/compressedDepth.",
    ),
    "command": ("command.initial", "Command that is active from the start, such as 'shake my hand'."),
    "target_frame": ("target_frame", "TF frame of the published poses, instead of the camera's frame."),
    "tf_prefix": ("tf_prefix", "Prefix of the TF frames of the joints, such as person/."),
}
"""Launch arguments that set one parameter each: name to (parameter, description)."""

ARGUMENTS = [
    DeclareLaunchArgument("image", default_value="image", description="Image topic of the camera."),
    DeclareLaunchArgument("camera_info", default_value="camera_info", description="CameraInfo topic of the camera."),
    DeclareLaunchArgument(
        "depth", default_value="", description="Topic of depth images registered to the images. Empty: no depth."
    ),
    DeclareLaunchArgument(
        "detections", default_value="", description="Detection2DArray topic of a detector, for several people."
    ),
    *(
        DeclareLaunchArgument(name, default_value="", description=f"{description} Empty: the value in params_file.")
        for name, (_, description) in PARAMETERS.items()
    ),
    DeclareLaunchArgument(
        "params_file", default_value=f"{SHARE}/config/taihri.yaml", description="Parameter file of the node."
    ),
    DeclareLaunchArgument("name", default_value="taihri", description="Name of the node."),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node."),
    DeclareLaunchArgument(
        "autostart",
        default_value="true",
        choices=["true", "false"],
        description="Configure and activate the node at its start. If false: ros2 lifecycle set <node> configure.",
    ),
    DeclareLaunchArgument(
        "respawn",
        default_value="false",
        choices=["true", "false"],
        description="Start the node again when it has ended. If false, this launch ends with it.",
    ),
    DeclareLaunchArgument(
        "use_sim_time",
        default_value="",
        choices=["", "true", "false"],
        description="Use the time of /clock. Empty: the value in params_file.",
    ),
    DeclareLaunchArgument(
        "log_level", default_value="info", description="Log level of this node: debug, info, warn, error or fatal."
    ),
    DeclareLaunchArgument(
        "rviz", default_value="false", choices=["true", "false"], description="Show the results in RViz (needs rviz2)."
    ),
    DeclareLaunchArgument("rviz_frame", default_value="camera_optical_frame", description="Fixed frame of RViz."),
]


def check(context: LaunchContext) -> None:
    """Raise an error if RViz or a parameter file is wanted and not there, before anything is started."""
    warn_of_misspelt_arguments(context)
    file = LaunchConfiguration("params_file").perform(context)
    if not Path(file).is_file():
        raise RuntimeError(f"params_file {file} is not a file: correct its path, or leave params_file out")
    if LaunchConfiguration("rviz").perform(context) != "true":
        return
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError as error:
        raise RuntimeError("rviz:=true needs rviz2: apt install ros-$ROS_DISTRO-rviz2, or leave it out") from error


def warn_of_misspelt_arguments(context: LaunchContext) -> None:
    """Log the arguments of the command line that resemble one of this file's; ros2 launch takes any."""
    known = [argument.name for argument in ARGUMENTS]
    for name in [argument.partition(":=")[0] for argument in context.argv]:
        if name not in known and (near := difflib.get_close_matches(name, known, 1)):
            get_logger("taihri").warning(f"{name}:= is no argument of taihri.launch.py: did you mean {near[0]}:= ?")


def end_launch(event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the end of this launch, unless it ends already: a second one is an error.

    Raises:
        RuntimeError: The node has failed. It lets the launch end with exit code 1.
    """
    if context.is_shutdown:
        return []
    if event.returncode:
        raise RuntimeError(f"the node has ended with exit code {event.returncode}: its last lines above say why")
    return [Shutdown(reason="the node has ended")]


def taihri_node(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the node, which configures and activates itself with the parameter autostart."""
    values = {name: LaunchConfiguration(name).perform(context) for name in PARAMETERS}
    image, depth = LaunchConfiguration("image"), LaunchConfiguration("depth").perform(context)
    detections, sim_time = (LaunchConfiguration(name).perform(context) for name in ("detections", "use_sim_time"))
    respawn = LaunchConfiguration("respawn").perform(context) == "true"
    return [
        Node(
            package="taihri_ros",
            executable="taihri_node",
            name=LaunchConfiguration("name"),
            namespace=LaunchConfiguration("namespace"),
            output="both",
            arguments=["--launched-by", str(os.getpid())],
            parameters=[
                LaunchConfiguration("params_file"),
                {PARAMETERS[name][0]: ParameterValue(value, value_type=str) for name, value in values.items() if value},
                {"depth.enabled": True} if depth else {},
                {"people.enabled": True, "people.detections": True} if detections else {},
                {"use_sim_time": sim_time == "true"} if sim_time else {},
                {"autostart": LaunchConfiguration("autostart").perform(context) == "true"},
            ],
            remappings=[
                ("image", image),
                ("image/compressed", [image, "/compressed"]),
                ("camera_info", LaunchConfiguration("camera_info")),
                *([("depth", depth), ("depth/compressedDepth", f"{depth}/compressedDepth")] if depth else []),
                *([("detections", detections)] if detections else []),
            ],
            ros_arguments=[
                "--log-level",
                f"{logger_name(context)}:={LaunchConfiguration('log_level').perform(context)}",
            ],
            respawn=respawn,
            respawn_delay=2.0,
            on_exit=None if respawn else end_launch,
        )
    ]


def logger_name(context: LaunchContext) -> str:
    """Return the name of the node's logger, which contains its namespace."""
    outer = context.launch_configurations.get("ros_namespace", "")
    parts = f"{outer}/{LaunchConfiguration('namespace').perform(context)}".split("/")
    return ".".join([part for part in parts if part] + [LaunchConfiguration("name").perform(context)])


def generate_launch_description() -> LaunchDescription:
    """Return the launch description: arguments, node and RViz."""
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", f"{SHARE}/rviz/taihri.rviz", "-f", LaunchConfiguration("rviz_frame")],
        condition=IfCondition(LaunchConfiguration("rviz")),
        output="log",
    )
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=check), OpaqueFunction(function=taihri_node), rviz])

"""Launch the node /taihri, configure and activate it, and optionally show the results in RViz.

ros2 launch taihri_ros taihri.launch.py model:=<checkpoint> image:=/camera/image_raw camera_info:=/camera/camera_info
"""

from __future__ import annotations

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, EmitEvent, OpaqueFunction, RegisterEventHandler
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterValue
from lifecycle_msgs.msg import Transition

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
        description="Configure and activate the node at the start. If false: ros2 lifecycle set /taihri configure.",
    ),
    DeclareLaunchArgument(
        "log_level", default_value="info", description="Log level: debug, info, warn, error or fatal."
    ),
    DeclareLaunchArgument(
        "rviz", default_value="false", choices=["true", "false"], description="Show the results in RViz (needs rviz2)."
    ),
    DeclareLaunchArgument("rviz_frame", default_value="camera_optical_frame", description="Fixed frame of RViz."),
]


def taihri_node(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the node, and the event handlers that bring it to the active state."""
    values = {name: LaunchConfiguration(name).perform(context) for name in PARAMETERS}
    image, depth = LaunchConfiguration("image"), LaunchConfiguration("depth").perform(context)
    detections = LaunchConfiguration("detections").perform(context)
    node = LifecycleNode(
        package="taihri_ros",
        executable="taihri_node",
        name=LaunchConfiguration("name"),
        namespace=LaunchConfiguration("namespace"),
        output="both",
        parameters=[
            LaunchConfiguration("params_file"),
            {PARAMETERS[name][0]: ParameterValue(value, value_type=str) for name, value in values.items() if value},
            {"depth.enabled": True} if depth else {},
            {"people.enabled": True, "people.detections": True} if detections else {},
        ],
        remappings=[
            ("image", image),
            ("image/compressed", [image, "/compressed"]),
            ("camera_info", LaunchConfiguration("camera_info")),
            *([("depth", depth), ("depth/compressedDepth", f"{depth}/compressedDepth")] if depth else []),
            *([("detections", detections)] if detections else []),
        ],
        ros_arguments=["--log-level", LaunchConfiguration("log_level")],
    )

    def change(transition: int) -> EmitEvent:
        return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition))

    autostart = IfCondition(LaunchConfiguration("autostart"))
    started = OnProcessStart(target_action=node, on_start=[change(Transition.TRANSITION_CONFIGURE)])
    configured = OnStateTransition(
        target_lifecycle_node=node,
        start_state="configuring",
        goal_state="inactive",
        entities=[change(Transition.TRANSITION_ACTIVATE)],
    )
    return [
        RegisterEventHandler(started, condition=autostart),
        RegisterEventHandler(configured, condition=autostart),
        node,
    ]


def generate_launch_description() -> LaunchDescription:
    """Return the launch description: arguments, node and RViz."""
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", f"{SHARE}/rviz/taihri.rviz", "-f", LaunchConfiguration("rviz_frame")],
        condition=IfCondition(LaunchConfiguration("rviz")),
        output="log",
    )
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=taihri_node), rviz])

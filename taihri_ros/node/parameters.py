"""The parameters of the node for both hosts: names, types, defaults, ranges and descriptions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from taihri_ros.camera.picture_decoder import DEFAULT_FORMATS, FORMATS
from taihri_ros.commands.person_words import parse_select
from taihri_ros.errors import TaihriError
from taihri_ros.inference import environment
from taihri_ros.inference.printable import printable
from taihri_ros.inference.vllm.requests import VllmApi
from taihri_ros.pipeline.decoder import XySource
from taihri_ros.pipeline.guards import Workspace
from taihri_ros.pipeline.person_crop import PersonCropMode
from taihri_ros.pipeline.prompt_batch import Decoding
from taihri_ros.validation import check_value, unknown_name

EngineKind = Literal[environment.EngineKind, "openai"]
"""Values of the parameter engine.kind."""

SelectionMode = Literal["auto", "model", "table"]
"""Values of the parameter command.selection."""

CameraInfoFrame = Literal["same", "any"]
"""Values of the parameter camera_info_frame."""


_LONGEST_FRAME = 200
"""Number of characters that the name of a frame, or its prefix, has at most."""


class ParameterError(TaihriError):
    """A parameter is unknown or its value is not valid."""


def _parameter(
    default: Any,
    description: str,
    *,
    limits: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
    dynamic: bool = False,
    read_only: bool = False,
) -> Any:
    return dataclasses.field(
        default=default,
        metadata={
            "description": description,
            "limits": limits,
            "choices": choices,
            "dynamic": dynamic,
            "read_only": read_only,
        },
    )


@dataclass(frozen=True)
class Parameters:
    """The values of all parameters. The field `engine_kind` is the ROS parameter `engine.kind`."""

    image_transport: str = _parameter(
        "raw", "Image topic: image (raw) or image/compressed (compressed).", choices=("raw", "compressed")
    )
    image_formats: tuple[str, ...] = _parameter(
        DEFAULT_FORMATS,
        "Accepted formats of compressed images: jpeg and png, in which damage is found; webp, tiff and bmp, in which "
        "it may stay unnoticed.",
        choices=FORMATS,
    )
    rectified: bool = _parameter(
        False, "Whether the images are rectified; if true, P of camera_info is used instead of K and D."
    )
    camera_info_frame: CameraInfoFrame = _parameter(
        "same",
        "Which frame_id camera_info and depth must have: same, that of the image; any, for a driver that names one "
        "camera in two ways.",
        choices=("same", "any"),
    )
    max_frame_age_s: float = _parameter(
        0.0,
        "Age above which an image is dropped, in seconds; 0 for never. The age is the node's clock (the simulated one "
        "with use_sim_time) minus the image's stamp.",
        limits=(0.0, 3600.0),
    )
    xy_source: XySource = _parameter(
        "bins",
        "Source of x and y: the 3D bins of the answer, or its 2D pixel and the depth.",
        choices=("bins", "pixel"),
    )
    min_confidence: float = _parameter(
        -1.0,
        "Confidence below which a joint is missing (LOW_CONFIDENCE), from 0 to 1; 0 to publish every joint, a negative "
        "number to use the value of the checkpoint (taihri.json).",
        limits=(-1.0, 1.0),
        dynamic=True,
    )
    min_presence: float = _parameter(
        -1.0,
        "Presence, the probability that there is a person at all, below which all joints are missing (NOBODY), from 0 "
        "to 1; 0 to switch this off, a negative number to use the value of the checkpoint (taihri.json).",
        limits=(-1.0, 1.0),
        dynamic=True,
    )
    decoding: Decoding = _parameter(
        "per_joint",
        "How the model is prompted for named joints: per_joint decodes one prompt per joint as a batch; jump_forward "
        "decodes one prompt and inserts the tokens that the template fixes; plain decodes every token of one prompt.",
        choices=("per_joint", "jump_forward", "plain"),
    )
    max_in_flight: int = _parameter(
        1,
        "Largest number of frames in flight; with 2, the prefill of a frame overlaps the decoding of the one before.",
        limits=(1, 2),
    )
    person_crop_mode: PersonCropMode = _parameter(
        "auto",
        "When to show the model a crop around the person instead of the full view: never; always, whenever it saves a "
        "visual token; auto, when it saves at least a third and the model was trained on person crops. Both also crop "
        "to zoom in on people far away, where the model was trained for it.",
        choices=("never", "always", "auto"),
        dynamic=True,
    )
    person_crop_refresh_s: float = _parameter(
        1.0,
        "Longest time between two full views, in seconds; at least 1 for a model that zooms.",
        limits=(0.05, 3600.0),
        dynamic=True,
    )
    filter_enabled: bool = _parameter(
        False, "Filter the motion of the joints with a constant-velocity Kalman filter.", dynamic=True
    )
    filter_acceleration: float = _parameter(
        3.0,
        "Standard deviation of a joint's acceleration, in m/s^2: smaller is smoother, larger follows motion faster.",
        limits=(0.01, 1000.0),
        dynamic=True,
    )
    filter_predict_s: float = _parameter(
        0.0,
        "How long a joint that is not found is predicted by the filter, in seconds; 0 to never predict.",
        limits=(0.0, 0.5),
        dynamic=True,
    )
    depth_enabled: bool = _parameter(
        False, "Subscribe to depth, a depth image registered to the colour image, and fuse it with the joints."
    )
    depth_transport: str = _parameter(
        "raw",
        "Depth topic: depth (raw), or depth/compressedDepth with PNG or RVL (compressedDepth).",
        choices=("raw", "compressedDepth"),
    )
    depth_tolerance_s: float = _parameter(
        0.02, "Largest difference between the stamps of an image and its depth image, in seconds.", limits=(0.0, 1.0)
    )
    body_enabled: bool = _parameter(
        False,
        "Ask the model for all joints beside those of the command, and fit a body to them, for ~/body, ~/body_joints "
        "and TF frames with orientations.",
    )
    people_enabled: bool = _parameter(
        False,
        "Find and track several people, publish them on ~/people and as TF frames such as person_kamul/head, and "
        "understand who is meant by words such as 'the person on the left'.",
    )
    people_select: str = _parameter(
        "nearest",
        "Whom a command means that does not say it: nearest, largest, centred, everyone, or the id of a person.",
    )
    people_max: int = _parameter(4, "Largest number of people who are looked at in an image.", limits=(1, 8))
    people_others_per_frame: int = _parameter(
        0,
        "How many people beside the selected one the model is asked about in an image, in turn, so that the selected "
        "one is not answered late; 0 for one if the engine runs on a CPU, and all on a GPU.",
        limits=(0, 7),
    )
    people_keep_s: float = _parameter(
        2.0, "How long a person who is not seen keeps the id, in seconds.", limits=(0.1, 60.0)
    )
    people_detections: bool = _parameter(
        False,
        "Subscribe to detections, the boxes of any detector (vision_msgs/Detection2DArray), to find people. Without "
        "it, the model itself looks for another person once a second.",
    )
    people_tolerance_s: float = _parameter(
        0.05,
        "Largest difference between the stamps of an image and its detections, and how long an image waits for them, "
        "in seconds.",
        limits=(0.0, 1.0),
    )
    people_min_score: float = _parameter(0.5, "Score below which a detection is ignored.", limits=(0.0, 1.0))
    ros4hri_enabled: bool = _parameter(
        False,
        "Publish the bodies of people for ROS4HRI (REP-155) on /humans/bodies, with hri_msgs, TF and URDF; implies "
        "body.enabled.",
    )
    guards_workspace: str = _parameter(
        "",
        "Box in the camera's optical frame outside of which a joint is refused (IMPLAUSIBLE): smallest and largest x, "
        "y and z in metres, such as '-1 1 -1 1 0.3 2.5'; empty for none.",
    )
    guards_bone_lengths: bool = _parameter(
        False, "Refuse both ends of a bone of an arm or leg that is much shorter or longer than human ones."
    )
    guards_max_speed_m_s: float = _parameter(
        0.0, "Speed above which a joint is refused, in m/s; 0 for none.", limits=(0.0, 100.0)
    )
    publish_tf: bool = _parameter(True, "Broadcast a TF frame for every located joint.", dynamic=True)
    tf_prefix: str = _parameter(
        "person/",
        "Prefix of the TF frame names, before the name of the joint. Before the default stand the node's namespace and "
        "name unless the node is /taihri, as in robot1/taihri/person/head.",
        dynamic=True,
    )
    target_frame: str = _parameter(
        "", "Frame of the published poses, looked up at the stamp of the image; empty for the camera's (ROS host only)."
    )
    marker_lifetime_s: float = _parameter(
        0.5, "Lifetime of the markers in RViz, in seconds.", limits=(0.05, 60.0), dynamic=True
    )
    overlay_jpeg_quality: int = _parameter(80, "JPEG quality of the overlay image.", limits=(1, 100), dynamic=True)
    autostart: bool = _parameter(
        False, "Configure and activate the node when it starts (rclpy host only).", read_only=True
    )
    bond: bool = _parameter(
        False,
        "Offer a bond while the node is active, so that a lifecycle manager such as nav2's notices its end (rclpy host "
        "only, needs bondpy).",
    )
    diagnostics_period_s: float = _parameter(
        1.0, "Time between two messages on /diagnostics, in seconds.", limits=(0.1, 60.0), read_only=True
    )
    command_initial: str = _parameter("", "Command to run at startup; empty to wait for one.")
    command_max_length: int = _parameter(
        500, "Longest accepted command, in characters.", limits=(1, 10000), dynamic=True
    )
    command_allow: tuple[str, ...] = _parameter(
        (), "List of accepted commands; empty to accept any command.", dynamic=True
    )
    command_selection: SelectionMode = _parameter(
        "auto",
        "What chooses the joints of a command in free words: the model; the task table; auto, the task table for a "
        "checkpoint that asks for it in taihri.json because it has not learned to refuse a command, else the model.",
        choices=("auto", "model", "table"),
        dynamic=True,
    )
    command_refresh_s: float = _parameter(
        0.0,
        "Time after which the model selects the joints of a free command again, in seconds; 0 for never.",
        limits=(0.0, 86400.0),
        dynamic=True,
    )
    command_tasks: str = _parameter(
        "", "Task file with tasks in addition to those of the package; empty for none.", read_only=True
    )
    engine_kind: EngineKind = _parameter(
        "vllm",
        "Engine that answers: vLLM or transformers with a checkpoint; mediapipe, which finds people on any CPU but has "
        "no language model; openai, a remote server with the OpenAI API.",
        choices=get_args(EngineKind),
        read_only=True,
    )
    engine_model: str = _parameter(
        "",
        "Directory of the checkpoint; empty for the one in the package, taihri-nano or that of mediapipe. For openai, "
        "the name of the served model.",
        read_only=True,
    )
    engine_adapter: str = _parameter(
        "",
        "Directory of a LoRA adapter for the checkpoint, for vllm and transformers; empty for none.",
        read_only=True,
    )
    engine_python: str = _parameter(
        "",
        "Python interpreter of the engine's environment; empty for the environment that install_engine created.",
        read_only=True,
    )
    engine_url: str = _parameter("http://127.0.0.1:8000/v1", "URL of the remote server, for openai.", read_only=True)
    engine_spec: str = _parameter(
        "", "File taihri.json of the served checkpoint, for openai; empty for the official values.", read_only=True
    )
    engine_dtype: str = _parameter(
        "auto",
        "Number format of the weights, for vllm and transformers; auto uses the format of the checkpoint if the "
        "processor supports it.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    engine_gpu_memory_utilization: float = _parameter(
        0.7, "Fraction of the GPU memory that vLLM may use.", limits=(0.05, 1.0)
    )
    engine_max_model_len: int = _parameter(
        8192, "Longest prompt plus answer, in tokens, for vllm.", limits=(256, 262144)
    )
    engine_vllm_api: VllmApi = _parameter(
        "auto",
        "Which part of vLLM is used. internal: its core, which is faster. public: only its public API, with the same "
        "answers. auto: its core if the installed version has what the node needs, else its public API.",
        choices=get_args(VllmApi),
    )
    engine_vllm: str = _parameter(
        "",
        "Further engine arguments of vLLM, as YAML or JSON, such as {performance_mode: interactivity}; vLLM checks "
        "them. Those that the node depends on are refused.",
        read_only=True,
    )
    engine_start_timeout_s: float = _parameter(
        600.0, "Longest startup of the engine, in seconds.", limits=(1.0, 7200.0)
    )
    engine_request_timeout_s: float = _parameter(
        30.0,
        "Longest time to an answer, in seconds; after it the engine is restarted. Once it is known what the engine "
        "usually takes for such a request, the limit is twice that, at least 2 s, if this is shorter.",
        limits=(0.1, 600.0),
    )
    engine_max_restarts: int = _parameter(
        5, "Number of consecutive restarts before the engine is reported as failed.", limits=(0, 1000)
    )
    engine_probe_period_s: float = _parameter(
        30.0,
        "Period of the health probe, a small request to an idle engine, in seconds; 0 for none.",
        limits=(0.0, 3600.0),
    )

    def __post_init__(self) -> None:
        """Check what the limits and choices of single values do not."""
        if self.tf_prefix.startswith("/"):
            raise ParameterError("parameter tf_prefix must not begin with a slash, which tf2 rejects: remove it")
        for name, frame in (("tf_prefix", self.tf_prefix), ("target_frame", self.target_frame)):
            if not frame.isprintable() or len(frame) > _LONGEST_FRAME:
                raise ParameterError(
                    f"parameter {name} must be a line of at most {_LONGEST_FRAME} printable characters, not "
                    f"{frame[:_LONGEST_FRAME]!r}"
                )
        try:
            Workspace.parse(self.guards_workspace)
            parse_select(self.people_select)
        except TaihriError as error:
            raise ParameterError(f"parameter {printable(str(error), 300)}") from error

    @property
    def fits_bodies(self) -> bool:
        """Whether bodies are fitted, because of `body.enabled` or of another parameter that needs them."""
        return self.body_enabled or self.ros4hri_enabled

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Parameters:
        """Return checked parameters from the values of a YAML file, a command line or rclpy.

        Args:
            values: Values by ROS parameter name.

        Returns:
            The parameters; missing values have their defaults.

        Raises:
            ParameterError: A name is unknown, or a value has the wrong type or is out of range.
        """
        known = {declaration.name: declaration for declaration in declarations()}
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise ParameterError(unknown_name("parameter", name, known))
            checked[known[name].field] = known[name].check(value)
        return cls(**checked)


@dataclass(frozen=True)
class Declaration:
    """The declaration of one parameter.

    Attributes:
        name: ROS parameter name, such as `engine.kind`.
        field: Name of the field in `Parameters`.
        default: Default value; a tuple is an array of strings.
        description: One line.
        limits: Smallest and largest number, both inclusive; None for no range.
        choices: The accepted strings; empty for any.
        dynamic: Whether a new value takes effect while the node is active.
        read_only: Whether the value is fixed when the node starts. So are those that choose a program, a file or an
            address: a client that sets parameters must not decide what is executed or read.
    """

    name: str
    field: str
    default: Any
    description: str
    limits: tuple[float, float] | None
    choices: tuple[str, ...]
    dynamic: bool
    read_only: bool

    def check(self, value: Any) -> Any:
        """Check a value and return it in the type of the parameter.

        Args:
            value: The value.

        Returns:
            The value; an integer is converted to float where a float is expected, and a list to a tuple.

        Raises:
            ParameterError: The value has the wrong type or is out of range.
        """
        kind = tuple[str, ...] if isinstance(self.default, tuple) else type(self.default)
        source = f"parameter {self.name}"
        return check_value(value, kind, source, ParameterError, limits=self.limits, choices=self.choices)


_GROUPS = ("body", "command", "depth", "engine", "filter", "guards", "people", "person_crop", "overlay", "ros4hri")


def declarations() -> tuple[Declaration, ...]:
    """Return the declarations of all parameters.

    Returns:
        The declarations, in the order of `Parameters`.
    """
    found = []
    for field in dataclasses.fields(Parameters):
        group = next((group for group in _GROUPS if field.name.startswith(f"{group}_")), "")
        found.append(
            Declaration(
                name=f"{group}.{field.name.removeprefix(group)[1:]}" if group else field.name,
                field=field.name,
                default=field.default,
                description=field.metadata["description"],
                limits=field.metadata["limits"],
                choices=field.metadata["choices"],
                dynamic=field.metadata["dynamic"],
                read_only=field.metadata["read_only"],
            )
        )
    return tuple(found)

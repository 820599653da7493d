"""The node's parameters: names, types, defaults, ranges and descriptions, one table for both hosts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from taihri_ros.errors import TaihriError
from taihri_ros.pipeline.decoder import XySource
from taihri_ros.pipeline.person_crop import PersonCropMode
from taihri_ros.pipeline.prompt_batch import Decoding
from taihri_ros.validation import check_value, unknown_name

EngineKind = Literal["vllm", "transformers", "openai"]
"""What the parameter engine.kind may be."""


class ParameterError(TaihriError):
    """A parameter is unknown or has a value that it cannot have."""


def _parameter(
    default: Any,
    description: str,
    *,
    limits: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    return dataclasses.field(
        default=default, metadata={"description": description, "limits": limits, "choices": choices}
    )


@dataclass(frozen=True)
class Parameters:
    """The values of all parameters. A field `engine_kind` is the ROS parameter `engine.kind`."""

    image_transport: str = _parameter(
        "raw", "Subscribe to image (raw) or image/compressed (compressed).", choices=("raw", "compressed")
    )
    rectified: bool = _parameter(False, "The images are rectified: use P of camera_info instead of K and D.")
    xy_source: XySource = _parameter(
        "bins", "Take x and y from the answer's 3D bins, or from its 2D pixel and the depth.", choices=("bins", "pixel")
    )
    decoding: Decoding = _parameter(
        "per_joint",
        "Ask for each joint by itself and decode all answers together, or for all in one sequence whose forced tokens "
        "are skipped (sequence) or not (plain).",
        choices=("per_joint", "jump_forward", "plain"),
    )
    max_in_flight: int = _parameter(
        1, "Frames answered at once; with 2 the next image is read while the current one is decoded.", limits=(1, 2)
    )
    person_crop_mode: PersonCropMode = _parameter(
        "auto",
        "Turn the view toward the person and show no more than they need: never, whenever it saves anything, or, auto, "
        "when it saves at least a third and the model has learned such views.",
        choices=("never", "always", "auto"),
    )
    person_crop_refresh_s: float = _parameter(
        1.0, "Show the model the full view at least this often, in seconds.", limits=(0.05, 3600.0)
    )
    filter_enabled: bool = _parameter(False, "Filter the joints' motion with a Kalman filter of constant velocity.")
    filter_acceleration: float = _parameter(
        3.0, "How much a joint accelerates, in m/s^2: less is smoother, more is quicker.", limits=(0.01, 1000.0)
    )
    filter_predict_s: float = _parameter(
        0.0, "Carry a joint that is not found on for so long, in seconds, as PREDICTED; 0 for never.", limits=(0.0, 0.5)
    )
    depth_enabled: bool = _parameter(False, "Subscribe to depth, a depth image registered to image, and fuse it.")
    depth_tolerance_s: float = _parameter(
        0.02, "Largest difference between the stamps of an image and its depth image, in seconds.", limits=(0.0, 1.0)
    )
    publish_tf: bool = _parameter(True, "Broadcast a TF frame for every joint that was found.")
    tf_prefix: str = _parameter("person/", "Put before the joint's name in TF frame names.")
    target_frame: str = _parameter(
        "", "Give the poses in this frame, looked up at the image's stamp; empty for the camera's (ROS host only)."
    )
    marker_lifetime_s: float = _parameter(0.5, "How long RViz shows a marker, in seconds.", limits=(0.05, 60.0))
    overlay_jpeg_quality: int = _parameter(80, "JPEG quality of the overlay picture.", limits=(1, 100))
    diagnostics_period_s: float = _parameter(
        1.0, "Time between two messages on /diagnostics, in seconds.", limits=(0.1, 60.0)
    )
    command_initial: str = _parameter("", "Command to run from the start; empty to wait for one.")
    command_max_length: int = _parameter(500, "Longest command accepted, in characters.", limits=(1, 10000))
    command_allow: tuple[str, ...] = _parameter((), "The only commands accepted; empty to accept any.")
    command_fallback: bool = _parameter(
        True, "When the model finds no joint for a free command, ask for those of the nearest task by name."
    )
    command_refresh_s: float = _parameter(
        0.0,
        "Let the model choose the joints of a free command anew after so many seconds; 0 for never.",
        limits=(0.0, 86400.0),
    )
    command_tasks: str = _parameter("", "A task file that adds to the package's tasks; empty for none.")
    engine_kind: EngineKind = _parameter("vllm", "What runs the model.", choices=("vllm", "transformers", "openai"))
    engine_model: str = _parameter(
        "",
        "Directory of the checkpoint, empty for the shipped taihri-nano; for openai the name of the served model.",
    )
    engine_python: str = _parameter(
        "", "Python interpreter of the engine's environment; empty for the one that install_engine made."
    )
    engine_url: str = _parameter("http://127.0.0.1:8000/v1", "Address of a remote vllm serve, for openai.")
    engine_spec: str = _parameter("", "The served checkpoint's taihri.json, for openai; empty for official values.")
    engine_dtype: str = _parameter(
        "auto",
        "Number format of the weights; auto: the checkpoint's own where the processor multiplies in it.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    engine_gpu_memory_utilization: float = _parameter(
        0.7, "Share of the GPU's memory that vLLM may take.", limits=(0.05, 1.0)
    )
    engine_max_model_len: int = _parameter(8192, "Longest prompt and answer together, in tokens.", limits=(256, 262144))
    engine_start_timeout_s: float = _parameter(600.0, "Longest start of the engine, in seconds.", limits=(1.0, 7200.0))
    engine_request_timeout_s: float = _parameter(
        30.0, "An answer that takes longer counts as hung: the engine is restarted.", limits=(0.1, 600.0)
    )
    engine_max_restarts: int = _parameter(5, "Restarts in a row before the node gives up.", limits=(0, 1000))
    engine_probe_period_s: float = _parameter(
        30.0, "An idle engine is tried with a small request this often, in seconds; 0 for never.", limits=(0.0, 3600.0)
    )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Parameters:
        """Check values as they come from a YAML file, a command line or rclpy.

        Args:
            values: Values by ROS parameter name.

        Returns:
            The parameters; those that are left out have their defaults.

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
    """What has to be said to declare one parameter.

    Attributes:
        name: ROS parameter name, such as `engine.kind`.
        field: Name of the field in `Parameters`.
        default: Default value; a tuple stands for an array of strings.
        description: One line.
        limits: Lowest and highest number, both allowed; None for no range.
        choices: The allowed texts; empty for any.
    """

    name: str
    field: str
    default: Any
    description: str
    limits: tuple[float, float] | None
    choices: tuple[str, ...]

    def check(self, value: Any) -> Any:
        """Check one value and give it the parameter's type.

        Args:
            value: The value.

        Returns:
            It, an integer made a float where a float is expected, a list made a tuple.

        Raises:
            ParameterError: The value has the wrong type or is out of range.
        """
        kind = tuple[str, ...] if isinstance(self.default, tuple) else type(self.default)
        source = f"parameter {self.name}"
        return check_value(value, kind, source, ParameterError, limits=self.limits, choices=self.choices)


_GROUPS = ("command", "depth", "engine", "filter", "person_crop", "overlay")


def declarations() -> tuple[Declaration, ...]:
    """List all parameters.

    Returns:
        Their declarations, in the order of `Parameters`.
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
            )
        )
    return tuple(found)

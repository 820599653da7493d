"""Reads ROS 2 parameter files and `-p name:=value` overrides without ROS."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from taihri_ros.node.parameters import ParameterError, Parameters
from taihri_ros.node.rcl_yaml import RclYamlError, read_yaml
from taihri_ros.resources import read_file

logger = logging.getLogger(__name__)

_MOST_BYTES = 500_000
"""Largest file of parameters, bytes: those of a whole robot have a tenth of that, and Python reads 0.2 MB a second."""

_OF_EVERY_NODE = ("use_sim_time", "start_type_description_service")
"""Parameters that every ROS 2 node has, which a file may set for all nodes."""


def read_parameters(
    files: Iterable[Path],
    overrides: Iterable[str],
    *,
    chosen: Mapping[str, Any] | None = None,
    node: str = "taihri",
    namespace: str = "/",
) -> Parameters:
    """Return the parameters from files and overrides as a ROS 2 node reads them: later values replace earlier ones.

    Args:
        files: YAML files with the layout `NODE: ros__parameters: ...` or `NAMESPACE: NODE: ros__parameters: ...`; in
            names, `*` matches one part and `**` any number of parts.
        overrides: `name:=value` or `node:name:=value` with the value in YAML.
        chosen: Values by parameter name that override all others.
        node: Node name.
        namespace: Absolute namespace of the node.

    Returns:
        The parameters.

    Raises:
        ParameterError: A file is not readable or has another layout, or a parameter is not valid.
    """
    values: dict[str, Any] = {}
    for file in files:
        values |= _read_file(file, f"{namespace.rstrip('/')}/{node}")
    for override in overrides:
        target, separator, text = override.partition(":=")
        of_node, colon, name = target.rpartition(":")
        if not separator or not name or (colon and not of_node):
            raise ParameterError(f"parameter override {override!r} is not of the form name:=value")
        if of_node in ("", node):
            values |= _flatten({name: _parse(text, f"value of {name}")}, "")
    if values.get("use_sim_time") is True:
        logger.warning("use_sim_time is ignored: the ages of images are measured with this machine's clock")
    for name in _OF_EVERY_NODE:
        values.pop(name, None)
    if any(name.startswith("qos_overrides.") for name in values):
        raise ParameterError("qos_overrides are for the node under ROS (ros2 launch): remove them, or use that")
    values |= chosen or {}
    return Parameters.from_mapping(values)


def _read_file(path: Path, full_name: str) -> dict[str, Any]:
    try:
        text = read_file(path, _MOST_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ParameterError(f"parameter file {path} is not readable: {reason}") from error
    values: dict[str, Any] = {}
    documents = [_mapping(content, str(path)) for content in _documents(text, str(path)) or [None]]
    sections = [section for content in documents for section in _sections(content, path, "")]
    own = [(name, section) for name, section in sections if _matches(name, full_name)]
    if sections and not own:
        names = ", ".join(dict.fromkeys(name for name, _ in sections))
        logger.warning("%s sets no parameter of %s: it is for %s", path, full_name, names)
    for name, section in own:
        values |= _flatten(_mapping(section, f"{path}: ros__parameters of {name}"), "")
    return values


def _sections(content: Mapping[str, Any], path: Path, namespace: str) -> Iterator[tuple[str, Any]]:
    """Yield every node name in a file with its parameters."""
    for key, entry in content.items():
        name = f"{namespace}/{str(key).strip('/')}"
        if not isinstance(entry, Mapping):
            raise ParameterError(f"{path}: {name} is not under 'ros__parameters:'; write NODE: ros__parameters: ...")
        if "ros__parameters" in entry:
            yield name, entry["ros__parameters"]
        else:
            yield from _sections(entry, path, name)


def _matches(name: str, full_name: str) -> bool:
    """Check that a name in a file matches the node's name; wildcards have their meaning in rclcpp and rclpy."""
    pattern = re.escape(name).replace(r"/\*\*", r"(/\w+)*").replace(r"/\*", r"/\w+")
    return re.fullmatch(pattern, full_name) is not None


def _flatten(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _documents(text: str, source: str) -> list[Any]:
    try:
        return read_yaml(text)
    except RclYamlError as error:
        raise ParameterError(f"{source} is not valid YAML: {error}") from error


def _parse(text: str, source: str) -> Any:
    documents = _documents(text, source)
    if len(documents) != 1:
        raise ParameterError(f"{source} is missing (write '' for an empty text)")
    return documents[0]


def _mapping(value: Any, source: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ParameterError(f"{source} must be a mapping of names to values")
    return value

"""Reads ROS 2 parameter files and `-p name:=value` overrides without ROS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from taihri_ros.node.parameters import ParameterError, Parameters


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
        overrides: `name:=value` with the value in YAML.
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
        name, separator, text = override.partition(":=")
        if not separator or not name:
            raise ParameterError(f"parameter override {override!r} is not of the form name:=value")
        values[name] = _parse(text, f"value of {name}")
    values.pop("use_sim_time", None)
    values |= chosen or {}
    return Parameters.from_mapping(values)


def _read_file(path: Path, full_name: str) -> dict[str, Any]:
    try:
        content = _parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"parameter file {path} is not readable: {error}") from error
    values: dict[str, Any] = {}
    for name, section in _sections(_mapping(content, str(path)), path, ""):
        if _matches(name, full_name):
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


def _parse(text: str, source: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # PyYAML raises ValueError for an invalid date
        raise ParameterError(f"{source} is not valid YAML: {' '.join(str(error).split())}") from error


def _mapping(value: Any, source: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ParameterError(f"{source} must be a mapping of names to values")
    return value

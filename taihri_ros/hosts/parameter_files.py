"""ROS 2 parameter files and `-p name:=value` overrides, read without ROS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from taihri_ros.hosts.parameters import ParameterError, Parameters


def read_parameters(
    files: Iterable[Path],
    overrides: Iterable[str],
    *,
    chosen: Mapping[str, Any] | None = None,
    node: str = "taihri",
    namespace: str = "/",
) -> Parameters:
    """Read parameters as a ROS 2 node does: files in their order, then overrides; what comes later wins.

    Args:
        files: YAML files in the layout `NODE: ros__parameters: ...`; `/**` stands for any node.
        overrides: `name:=value`, the value in YAML.
        chosen: Values by parameter name that win over all others.
        node: Node name.
        namespace: Its absolute namespace.

    Returns:
        The parameters.

    Raises:
        ParameterError: A file is not readable or not in the layout, or a parameter is not valid.
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
    for pattern, entry in _mapping(content, str(path)).items():
        if not isinstance(entry, Mapping) or set(entry) != {"ros__parameters"}:
            raise ParameterError(f"{path}: under {pattern!r} there must be 'ros__parameters:' and nothing else")
        if _matches(str(pattern), full_name):
            values |= _flatten(_mapping(entry["ros__parameters"], f"{path}: ros__parameters"), "")
    return values


def _matches(pattern: str, full_name: str) -> bool:
    absolute = "/" + pattern.lstrip("/")
    return pattern == "/**" or fnmatchcase(full_name, absolute.replace("/**", "*"))


def _flatten(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _parse(text: str, source: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ParameterError(f"{source} is not valid YAML: {' '.join(str(error).split())}") from error


def _mapping(value: Any, source: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ParameterError(f"{source} must be a mapping of names to values")
    return value

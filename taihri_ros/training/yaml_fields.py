"""YAML files as frozen dataclasses, every key and type checked: a misspelt setting must not train for a night."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from taihri_ros.errors import TaihriError

_Kind = TypeVar("_Kind")

_NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", Path: "a path"}


class ConfigError(TaihriError):
    """A configuration file is not readable, or says something that cannot be meant."""


def read_yaml(path: Path, kind: type[_Kind]) -> _Kind:
    """Read a YAML file.

    Args:
        path: The file.
        kind: A dataclass whose fields are of type bool, int, float, str, Path, Literal, Mapping[str, Any], tuples,
            optional ones, or dataclasses of these.

    Returns:
        An instance; fields that the file leaves out keep their defaults.

    Raises:
        ConfigError: The file cannot be read, a key is unknown or missing, or a value has another type.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not readable: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    return _instance(content, kind, str(path), "")


def _instance(value: Any, kind: type[_Kind], file: str, key: str) -> _Kind:
    where = f"{file}: {key}" if key else file
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must hold settings by name, not {value!r}")
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    prefix = f"{key}." if key else ""
    if unknown := [name for name in value if name not in fields]:
        raise ConfigError(f"{file}: unknown setting {prefix}{unknown[0]}; known are {', '.join(fields)}")
    required = (name for name, field in fields.items() if _is_required(field) and name not in value)
    if missing := next(required, None):
        raise ConfigError(f"{file}: {prefix}{missing} is missing")
    read = {name: _value(entry, hints[name], file, f"{prefix}{name}") for name, entry in value.items()}
    try:
        return kind(**read)
    except TaihriError as error:
        raise ConfigError(f"{where}: {error}") from error


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _value(value: Any, kind: Any, file: str, key: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return None if value is None else _value(value, inner[0], file, key)
    if dataclasses.is_dataclass(kind):
        return _instance(value, kind, file, key)  # type: ignore[arg-type]
    if origin is tuple:
        return _tuple(value, inner, file, key)
    if origin is Literal:
        return _checked(value in inner, value, value, f"one of {', '.join(map(str, inner))}", file, key)
    if origin is not None:
        return _checked(isinstance(value, Mapping), value, value, "settings by name", file, key)
    whole = isinstance(value, int) and not isinstance(value, bool)
    fits = {
        int: whole,
        float: whole or isinstance(value, float),
        str: isinstance(value, str),
        bool: isinstance(value, bool),
        Path: isinstance(value, str),
    }[kind]
    _checked(fits, value, value, _NAMES[kind], file, key)
    return Path(value).expanduser() if kind is Path else kind(value)


def _tuple(value: Any, inner: tuple[Any, ...], file: str, key: str) -> tuple[Any, ...]:
    _checked(isinstance(value, list), value, value, "a list", file, key)
    kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
    _checked(len(kinds) == len(value), value, value, f"a list of {len(kinds)}", file, key)
    pairs = enumerate(zip(value, kinds, strict=True))
    return tuple(_value(entry, kind, file, f"{key}[{index}]") for index, (entry, kind) in pairs)


def _checked(fits: bool, result: Any, value: Any, wanted: str, file: str, key: str) -> Any:
    if not fits:
        raise ConfigError(f"{file}: {key} must be {wanted}, not {value!r}")
    return result

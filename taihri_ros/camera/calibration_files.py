"""Reads calibration files: YAML, JSON, OpenCV's XML, INI of camera_calibration_parsers, and texts of other tools."""

from __future__ import annotations

import errno
import json
import re
from collections import Counter
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml

from taihri_ros.camera.calibration_layouts import LAYOUTS
from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError
from taihri_ros.camera.other_calibrations import cameras_in_text
from taihri_ros.resources import read_file

_LARGEST = 2_000_000
"""Largest file, bytes: more than a minute of camera_info."""

_DEEPEST = 20
"""Deepest nesting of a file; a matrix of a region of a message is three deep."""

_MOST_ALIASES = 16
"""Largest number of YAML aliases in a document. Without a limit, nested aliases stand for billions of values."""

_OPENCV_HEADER = re.compile(r"\A\s*%YAML:1\.\d")
_LOST = re.compile(r"A message was lost!!!\s+total count change: ?\d+\s+total count: ?\d+(---)?\n?")
"""What `ros2 topic echo` prints between the messages while it is too slow."""

_JSON_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*')
_BINARY = re.compile(r"[\x00-\x08\x0e-\x1f]")
_DECIMAL = re.compile(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?")


class _Loader(getattr(yaml, "CBaseLoader", yaml.BaseLoader)):  # type: ignore[misc]
    """A loader that reads every scalar as text, and refuses a name that is written twice.

    YAML 1.1 reads 1e-05, which calibration tools write, as text, and 0640 as an octal number. The fields of a
    calibration know what they are, so that their text is converted where they are read.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for name, count in names.items():
            if count > 1:
                raise CameraError(f"{name[:40]} is written twice")
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def read_camera(path: Path, *, name: str | None = None, rectified: bool = False) -> Camera:
    """Read a calibration file.

    Args:
        path: YAML, JSON or XML file in one of the layouts of `calibration_layouts.read_fields`, what `ros2 topic echo`
            wrote (one message, or several that describe one camera), the INI file of camera_calibration_parsers, or a
            text that `other_calibrations.cameras_in_text` reads.
        name: Name of the camera in a file that holds several, such as cam0 or LEFT_CAM_HD.
        rectified: Whether the image is rectified: use P, without distortion.

    Returns:
        The camera.

    Raises:
        CameraError: The file is missing or not a calibration, or holds several.
    """
    try:
        cameras = []
        for document in _parse(_read_text(path)):
            camera = Camera.from_mapping(document, rectified=rectified, name=name)
            if camera not in cameras:
                cameras.append(camera)
    except CameraError as error:
        raise CameraError(f"{path}: {error}") from error
    if len(cameras) > 1:
        raise CameraError(f"{path} holds {len(cameras)} different calibrations: keep the one that belongs to the image")
    return cameras[0]


def _read_text(path: Path) -> str:
    """Return the text of a file, in UTF-8, in UTF-16 with its mark, or else in the encoding of Western Windows."""
    try:
        data = read_file(path, _LARGEST)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise CameraError("too large for a calibration: keep one message of camera_info") from error
        raise CameraError(f"not readable: {error.strerror or error}") from error
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    if _BINARY.search(text):
        raise CameraError(f"not a text file: save the calibration as YAML, JSON or XML, with {LAYOUTS}")
    return text


def _parse(text: str) -> list[Mapping[str, Any]]:
    """Return the documents of a file, at least one."""
    documents: list[Any]
    start = text.lstrip()[:1]
    if start == "<":
        documents = [_parse_xml(text)]
    elif re.search(r"^\[image\]\s*$", text, re.MULTILINE):
        documents = [_parse_ini(text)]
    elif cameras := cameras_in_text(text):
        documents = [cameras]
    elif all(map(_DECIMAL.fullmatch, words := text.replace(",", " ").split())) and len(words) > 1:
        raise CameraError("numbers without names: write them as width, height, distortion_model, d and k")
    else:
        documents = (_parse_json(text) if start == "{" else None) or _parse_yaml(text)
    filled = [document for document in documents if document not in (None, "")]
    if not filled or not all(isinstance(document, Mapping) for document in filled):
        raise CameraError(f"not a calibration: it must hold {LAYOUTS}")
    return filled


def _parse_json(text: str) -> list[Any] | None:
    """Return the document of a JSON file; None if it is not JSON, but perhaps YAML in braces."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(pairs)
        if len(mapping) < len(pairs):
            raise CameraError("a name is written twice")
        return mapping

    without_comments = _JSON_COMMENT.sub(lambda match: match[1] or "", text)  # which OpenCV writes
    try:
        return [json.loads(without_comments, object_pairs_hook=unique)]
    except (ValueError, RecursionError):
        return None


def _parse_yaml(text: str) -> list[Any]:
    text = _LOST.sub("---\n", _OPENCV_HEADER.sub("", text))
    try:
        _check_yaml(text)
        return list(yaml.load_all(text, _Loader))
    except yaml.MarkedYAMLError as error:
        place = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise CameraError(f"not readable YAML or JSON: {error.problem}{place}") from error
    except (yaml.YAMLError, ValueError) as error:  # a number of too many digits, a date that does not exist
        raise CameraError(f"not readable YAML or JSON: {' '.join(str(error).split())}") from error


def _check_yaml(text: str) -> None:
    """Check the nesting and the aliases before values are built from them."""
    depth = aliases = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.DocumentStartEvent):
            aliases = 0
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        aliases += isinstance(event, yaml.AliasEvent)
        if depth > _DEEPEST or aliases > _MOST_ALIASES:
            raise CameraError(f"not a calibration: it must hold {LAYOUTS}")


def _parse_xml(text: str) -> Any:
    if "<!" in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL):
        raise CameraError("XML with declarations is not read: save the calibration with OpenCV's FileStorage")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise CameraError(f"not readable XML: {error}") from error
    if root.tag != "opencv_storage":
        raise CameraError(f"not a calibration: XML must be of OpenCV's FileStorage, not {root.tag[:40]!r}")
    return _xml_value(root, 0)


def _xml_value(element: ElementTree.Element, depth: int) -> Any:
    """Return an element of FileStorage: a mapping, a list of texts, or a text."""
    if depth > _DEEPEST:
        raise CameraError("not a calibration: XML is nested too deeply")
    if len(element) == 0:
        tokens = (element.text or "").split()
        return tokens if len(tokens) > 1 or element.tag == "data" else "".join(tokens)
    if all(child.tag == "_" for child in element):
        return [_xml_value(child, depth + 1) for child in element]
    if len({child.tag for child in element}) < len(element):
        raise CameraError("a name is written twice")
    return {child.tag: _xml_value(child, depth + 1) for child in element}


_INI_FIELDS = {
    "width": "width",
    "height": "height",
    "camera matrix": "camera_matrix",
    "distortion": "distortion_coefficients",
    "rectification": "rectification_matrix",
    "projection": "projection_matrix",
}


def _parse_ini(text: str) -> Mapping[str, Any]:
    """Read the format of camera_calibration_parsers: the name of a field in one line, its numbers in the next ones."""
    fields: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in (line.split("#")[0].strip().lower() for line in text.splitlines()):
        if line in _INI_FIELDS:
            if _INI_FIELDS[line] in fields:
                raise CameraError(f"{line} is written twice: keep one camera in the file")
            current = fields.setdefault(_INI_FIELDS[line], [])
        elif not line or line[0].isalpha() or line[0] == "[":
            current = None
        elif current is not None:
            current.extend(line.split())
    scalars = {name: values[0] for name, values in fields.items() if name in ("width", "height") and len(values) == 1}
    return {**fields, **scalars}

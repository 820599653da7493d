"""The page of `taihri model inspect`: what a checkpoint is, as lines of text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from taihri_ros.inference.checkpoint.memory import TEXT_TOKENS

_GIB, _MIB = 1 << 30, 1 << 20
_WIDTH, _TEXT_WIDTH = 15, 105


def page(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that describe a checkpoint.

    Args:
        found: An `Inspection` as types of JSON.

    Yields:
        The lines. Characters of the checkpoint's texts that a terminal does not print are replaced.
    """
    for name, text in _lines(found):
        whole = printable(text)
        lines = textwrap.wrap(whole, _TEXT_WIDTH) if len(whole) > _TEXT_WIDTH else [whole]
        for index, line in enumerate(lines):
            yield f"{'' if index else name:<{_WIDTH}}{line}"


def printable(text: str) -> str:
    """Return a text with `?` for each character that a terminal does not print."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _lines(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "checkpoint", found["directory"]
    yield "", f"{found['files']} files, {_size(found['bytes'])}"
    yield from _model(found)
    yield from _answers(found)
    yield from _numbers(found)
    licence = found["licence"]
    yield "licence", " in ".join(filter(None, (licence["name"] or "not stated", licence["file"])))
    if found["lock"]:
        yield "lock", _lock(found["lock"])
    yield from _memory(found)
    for index, text in enumerate(found["missing"]):
        yield "" if index else "missing", text
    engines = [f"{name}{f' not here ({fault})' if fault else ''}" for name, fault in found["engines"].items()]
    yield "engines", ", ".join(engines) or "none"
    if found["fault"]:
        yield "refused", found["fault"]
    elif found["unchecked"]:
        yield "not checked", found["unchecked"]
    else:
        yield "check", "passed"


def _model(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    shape = dict(found["architecture"])
    if shape:
        kind, dtype = shape.pop("model_type", "unknown type"), shape.pop("dtype", "unknown dtype")
        yield "architecture", f"{kind}, {dtype}"
        for part in ("text", "vision"):
            values = [f"{name.partition('.')[2]} {value}" for name, value in shape.items() if name.startswith(part)]
            yield "", f"{part}: {', '.join(values)}"
    weights = found["weights"]
    if weights:
        what = "stored values" if found["quantization"] else "parameters"
        types = ", ".join(f"{name} {_size(size)}" for name, size in weights["dtypes"].items())
        yield (
            "weights",
            f"{weights['values']:,} {what}; tensors: {weights['tensors']}; files: {weights['files']}; {types}",
        )
    if found["kind"] == "checkpoint":
        yield "quantisation", found["quantization"] or "none"
    if found["adapter"]:
        yield "adapter", found["adapter"]


def _answers(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    tokens, spec = found["tokens"], found["spec"]
    if tokens:
        yield "tokens", f"coordinates: {tokens['coordinates']}"
        yield "", f"names of joints: {tokens['names']}; block delimiters: {tokens['delimiters']}"
        yield "", f"<absent>: {'a token' if tokens['absent'] else 'no token'}"
    elif found["kind"] == "checkpoint":
        yield "tokens", "not read"
    if spec:
        answer = spec["answer"]
        values = [f"{name} {value!r}" for name, value in (answer or {}).items()]
        yield "answers", ", ".join(values) if answer else "learned at the start from one unconstrained answer"
    yield "decoding", found["decoding"]


def _numbers(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    spec = found["spec"]
    if not spec:
        return
    source = "its own taihri.json" if found["has_spec"] else "the official numbers, as there is no taihri.json"
    yield "specification", f"{spec['name']}: {source}{'' if spec['trained'] else '; random weights'}"
    widest = "x".join(map(str, spec["max_image_size"]))
    yield (
        "",
        (
            f"focal length {spec['focal_px']:g} px; views to {widest} px, {spec['min_pixels']} to {spec['max_pixels']} "
            f"pixels, sides multiples of {spec['image_multiple']}"
        ),
    )
    ranges = ", ".join(f"{axis} {low:g} to {high:g}" for axis, (low, high) in spec["space"].items())
    yield (
        "",
        f"bins in m: {ranges}; person crops: {_yes(spec['person_crops'])}; zoom {spec['zoom'][0]:g} to "
        + (f"{spec['zoom'][1]:g}; calibrated thresholds: {_yes(spec['belief'])}"),
    )


def _memory(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not found["memory"]:
        return
    yield (
        "memory",
        f"arithmetic, not measured; weights {_size(found['weights']['bytes'])}"
        + (f", in float32 {_size(found['float32_bytes'])}" if found["float32_bytes"] else ""),
    )
    yield "", f"{'':<26}{'view sent':>10}{'visual':>8}{'KV cache':>11}{'vision':>11}{'total':>11}"
    for view in found["memory"]:
        sizes = "".join(f"{_size(view[f'{name}_bytes']):>11}" for name in ("cache", "vision", "total"))
        shown = f"{view['width']}x{view['height']}"
        yield "", f"{view['name']:<26}{shown:>10}{view['visual_tokens']:>8}{sizes}"
    yield (
        "",
        f"visual: visual tokens; KV cache: with {TEXT_TOKENS} tokens of text; total: with the weights",
    )


def _lock(lock: Mapping[str, Any]) -> str:
    origin = f" of {lock['repository']} at {lock['revision']}, fetched {lock['fetched']}" if lock["repository"] else ""
    return f"{len(lock['files'])} files{origin}; compare them with `taihri model verify`"


def _size(size: int) -> str:
    return f"{size / _GIB:.2f} GiB" if size >= _GIB else f"{size / _MIB:.1f} MiB"


def _yes(value: object) -> str:
    return "yes" if value else "no"

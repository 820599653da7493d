"""The reference of the node's parameters as Markdown: `python -m taihri_ros.node.parameter_reference`."""

from __future__ import annotations

from taihri_ros.node.parameters import Declaration, declarations

_HEAD = """# Parameters

Every parameter of the node, for `ros2 launch ... params_file:=FILE`, `taihri run --params-file FILE` and
`-p NAME:=VALUE` alike. `config/taihri.yaml` is a file to start from. This page is made from the table in
`taihri_ros/node/parameters.py` by `make docs`.

| parameter | type | default | what it does |
| -- | -- | -- | -- |
"""

_TYPES = {bool: "bool", int: "int", float: "float", str: "string", tuple: "string list"}


def reference() -> str:
    """Return the page as Markdown.

    Returns:
        A table with a row for each parameter, in the order of `Parameters`.
    """
    return _HEAD + "".join(map(_row, declarations()))


def _row(declaration: Declaration) -> str:
    allowed = ""
    if declaration.limits is not None:
        allowed = f" From {declaration.limits[0]:g} to {declaration.limits[1]:g}."
    elif declaration.choices:
        allowed = f" One of {', '.join(f'`{choice}`' for choice in declaration.choices)}."
    if declaration.read_only:
        allowed += " Fixed when the node starts."
    if declaration.dynamic:
        allowed += " May change while the node is active."
    kind = _TYPES[type(declaration.default)]
    return f"| `{declaration.name}` | {kind} | {_default(declaration.default)} | {declaration.description}{allowed} |\n"


def _default(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(value)}]`"
    return f"`{value}`" if value != "" else '`""`'


if __name__ == "__main__":
    print(reference(), end="")

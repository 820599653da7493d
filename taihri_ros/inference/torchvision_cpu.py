"""Import hook that makes a CUDA build of torchvision importable with a CPU build of torch.

The torchvision wheel of most package indexes is compiled for CUDA. With a CPU torch its shared library does not load,
and `import torchvision` then fails because the operators for which it registers meta kernels do not exist. Image
processing uses none of these operators, so it is enough to declare them.

This file imports nothing of this package: the installer copies it into an engine environment's site-packages and
registers it at interpreter start.
"""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

_OPERATORS = ("nms", "qnms")
_libraries: list[Any] = []


class _BeforeTorchvision:
    """Meta path finder that declares the operators just before torchvision is imported, and finds no module itself."""

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name == "torchvision":
            sys.meta_path.remove(self)
            _declare_operators()
        return None


def register() -> None:
    """Install the import hook; repeated calls do nothing."""
    if not any(isinstance(finder, _BeforeTorchvision) for finder in sys.meta_path):
        sys.meta_path.insert(0, _BeforeTorchvision())


def _declare_operators() -> None:
    spec = importlib.machinery.PathFinder.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return
    import torch

    try:
        torch.ops.load_library(str(Path(spec.origin).with_name("_C.so")))
    except OSError:
        library = torch.library.Library("torchvision", "DEF")
        for operator in _OPERATORS:
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _libraries.append(library)

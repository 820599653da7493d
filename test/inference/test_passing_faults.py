"""Which faults of a framework may pass, by the messages of torch 2.13 and vLLM 0.32."""

from __future__ import annotations

import pytest

from taihri_ros.inference.engine import EngineError
from taihri_ros.inference.passing_faults import may_pass


def caused(cause: Exception) -> EngineError:
    """Return the error that an engine raises because of an error of its framework."""
    try:
        try:
            raise cause
        except Exception as error:
            raise EngineError("vLLM cannot load /m") from error
    except EngineError as error:
        return error


@pytest.mark.parametrize(
    ("cause", "passes"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: unspecified launch failure"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (ValueError("Free memory on device cuda:0 (3.1/7.6 GiB) on startup is less than desired GPU memory"), True),
        (MemoryError(), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("CUDA error: no kernel image is available for execution on the device"), False),
        (RuntimeError("CUDA error: invalid device ordinal"), False),
        (ValueError("The checkpoint you are trying to load has model type `x`"), False),
        (OSError(2, "No such file or directory"), False),
    ],
)
def test_a_lack_of_memory_and_a_gpu_that_does_not_respond_may_pass(cause: Exception, passes: bool) -> None:
    assert may_pass(cause) is passes
    assert may_pass(caused(cause)) is passes


def test_an_error_in_a_circle_of_causes_is_examined_once() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__context__, other.__context__ = other, one
    assert not may_pass(one)

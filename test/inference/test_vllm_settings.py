"""Tests of the choice of vLLM's settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from taihri_ros.inference.vllm.settings import cpu_dtype

NO_BFLOAT16 = "flags\t\t: fpu vme sse avx avx2 avx512f\n"


@pytest.mark.parametrize(
    ("config", "cpuinfo", "dtype"),
    [
        ({"dtype": "bfloat16"}, "flags\t\t: fpu avx512f avx512_bf16 gfni\n", "bfloat16"),
        ({"torch_dtype": "bfloat16"}, "flags\t\t: fpu amx_bf16 amx_tile\n", "bfloat16"),
        ({"dtype": "bfloat16"}, NO_BFLOAT16, "float32"),
        ({"dtype": "bfloat16"}, "flags\t\t: avx512_bf16_of_another_name\n", "float32"),
        ({"dtype": "float16"}, "flags\t\t: avx512_bf16\n", "float32"),
        ({"dtype": "float32"}, "flags\t\t: avx512_bf16\n", "float32"),
        ({}, "flags\t\t: avx512_bf16\n", "float32"),
        ({"dtype": "bfloat16"}, None, "float32"),
        ({"dtype": "float32", "quantization_config": {"quant_method": "awq"}}, NO_BFLOAT16, "bfloat16"),
    ],
)
def test_bfloat16_on_a_cpu_needs_bfloat16_weights_and_instructions(
    tmp_path: Path, config: dict[str, object], cpuinfo: str | None, dtype: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    if cpuinfo is not None:
        (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert cpu_dtype(tmp_path, tmp_path / "cpuinfo") == dtype

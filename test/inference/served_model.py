"""A real vLLM server for tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

from false_servers import free_port
from required import ENGINE_PYTHON

from taihri_ros.model.spec import ModelSpec

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TORCH_COMPILE_DISABLE": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_XGRAMMAR_CACHE_MB": "0",
    "VLLM_HOST_IP": "127.0.0.1",
}


class ServedModel:
    """A vLLM server on a port of this machine, started by the module that `vllm serve` runs.

    The command itself reads the metadata of the distribution `vllm`, which the CPU build does not have.

    Attributes:
        url: Address of the server.
        process: The server.
    """

    def __init__(self, checkpoint: Path, log: Path, *, port: int | None = None) -> None:
        """Start the server, which serves the model `tiny` for the key `secret`.

        Args:
            checkpoint: Directory of the checkpoint.
            log: File for its output.
            port: Port to listen on; by default a free one.
        """
        port = port or free_port()
        self.url = f"http://127.0.0.1:{port}"
        spec = ModelSpec.load(checkpoint)
        pixels = {"min_pixels": spec.min_pixels, "max_pixels": spec.max_pixels}
        arguments = [
            *("--host", "127.0.0.1", "--port", str(port), "--served-model-name", "tiny", "--api-key", "secret"),
            *("--dtype", "float32", "--enforce-eager", "--block-size", "32", "--kv-cache-memory-bytes", str(64 << 20)),
            *("--max-logprobs", "20", "--logprobs-mode", "processed_logprobs", "--generation-config", "vllm"),
            *("--structured-outputs-config", '{"backend": "xgrammar"}', "--max-model-len", "4096"),
            *("--limit-mm-per-prompt", '{"image": 1, "video": 0}', "--mm-processor-cache-gb", "0"),
            *("--mm-processor-kwargs", json.dumps(pixels), "--max-num-seqs", "2"),
        ]
        self._log = log.open("ab")
        self.process = subprocess.Popen(
            [ENGINE_PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", checkpoint, *arguments],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **ENVIRONMENT},
            start_new_session=True,
        )

    def end(self) -> None:
        """Kill the server and its processes; a second call does nothing."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()

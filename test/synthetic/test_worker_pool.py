"""The processes of a pool end with the process that started them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

STARTS_A_POOL = """
import os, time
from pathlib import Path
from taihri_ros.synthetic.worker_pool import worker_pool

def work(path):
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)

if __name__ == "__main__":
    worker_pool(1).submit(work, "PATH")
"""


def test_a_worker_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script, worker = tmp_path / "script.py", tmp_path / "worker"
    script.write_text(STARTS_A_POOL.replace("PATH", str(worker)))
    parent = subprocess.Popen([sys.executable, str(script)], cwd=Path(__file__).parents[2])
    while not (worker.is_file() and worker.read_text()):
        assert parent.poll() is None
        time.sleep(0.01)
    process = os.pidfd_open(int(worker.read_text()))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert select.select([process], [], [], 60.0)[0], "the worker goes on without its parent"

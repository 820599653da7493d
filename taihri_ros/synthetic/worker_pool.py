"""Processes that make shards, and that end with the process that started them."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread


def worker_pool(count: int) -> ProcessPoolExecutor:
    """Return a pool of fresh processes.

    If the process that owns the pool is killed, its workers end, too; otherwise they would finish what they are making
    and keep their core for minutes.

    Args:
        count: Number of processes.

    Returns:
        The pool.
    """
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    Thread(target=wait, name="end-with-parent", daemon=True).start()

"""The embedded host in the test process, with an engine that answers at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from domains import new_domain
from oracle import Oracle

from taihri_ros.node.dds_host.embedded_host import EmbeddedHost
from taihri_ros.node.parameters import Parameters

WRIST = np.array([0.3, 0.0, 1.5])
"""Where the engine sees the left wrist in every picture, metres."""


@contextmanager
def running_host(engine: Oracle | None = None, **parameters: Any) -> Iterator[tuple[EmbeddedHost, int]]:
    """Return a running host that is asked for the left wrist, and its DDS domain, which no other test uses."""
    engine = engine or Oracle({"left_wrist": WRIST})
    stop, domain = threading.Event(), new_domain()
    parameters = {"command_initial": "left_wrist", "person_crop_mode": "never"} | parameters
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(domain))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        with EmbeddedHost(Parameters(**parameters), engine) as host:
            thread = threading.Thread(target=host.run, args=(stop,))
            thread.start()
            try:
                yield host, domain
            finally:
                stop.set()
                thread.join()

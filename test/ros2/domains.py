"""A separate ROS_DOMAIN_ID for each test module, so that tests do not receive each other's messages."""

from __future__ import annotations

import itertools
import os

_numbers = itertools.count(os.getpid())


def new_domain() -> int:
    """Return a domain between 1 and 100, whose ports are not ephemeral ports on Linux."""
    return 1 + next(_numbers) % 100

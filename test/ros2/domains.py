"""ROS_DOMAIN_IDs, so that no test hears another."""

from __future__ import annotations

import itertools
import os

_numbers = itertools.count(os.getpid())


def new_domain() -> int:
    """Give a domain between 1 and 100, which Linux keeps free of ephemeral ports."""
    return 1 + next(_numbers) % 100

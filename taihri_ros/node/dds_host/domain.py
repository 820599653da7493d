"""Lifetime of DDS entities, and of the domains that the participants of this process share.

Cyclone DDS configures each domain once in a process: the first participant creates it and the last one deletes it.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from cyclonedds.core import DDSException
from cyclonedds.domain import Domain

from taihri_ros.node.dds_host.discovery import cyclone_xml
from taihri_ros.node.dds_host.errors import DdsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cyclonedds.core import Entity

_lock = threading.Lock()
_domains: dict[int, Domain] = {}
_users: dict[int, int] = {}


def acquire(domain_id: int, environ: Mapping[str, str] = os.environ) -> None:
    """Configure a domain, unless this process uses it already.

    Args:
        domain_id: The domain.
        environ: Environment variables that configure discovery.

    Raises:
        DdsError: Cyclone DDS refuses the configuration.
    """
    with _lock:
        if domain_id not in _domains:
            _domains[domain_id] = _create(domain_id, environ)
            _users[domain_id] = 0
        _users[domain_id] += 1


def release(domain_id: int) -> None:
    """Release a domain; the last user deletes it.

    Args:
        domain_id: A domain that was acquired.
    """
    with _lock:
        _users[domain_id] -= 1
        if not _users[domain_id]:
            del _users[domain_id]
            delete(_domains.pop(domain_id))


def delete(*entities: Entity) -> None:
    """Delete DDS entities immediately, without waiting for the garbage collection.

    Args:
        entities: Deleted in this order; deleting one twice does nothing.
    """
    for entity in entities:
        entity.__del__()  # the binding has no other way to delete an entity


def _create(domain_id: int, environ: Mapping[str, str]) -> Domain:
    with_loopback, without = (cyclone_xml(environ, loopback=loopback) for loopback in (True, False))
    if not with_loopback.isascii():
        raise DdsError("CYCLONEDDS_URI or ROS_STATIC_PEERS contains non-ASCII characters: use ASCII only")
    try:
        return Domain(domain_id, with_loopback)
    except DDSException:
        # On a machine whose only interface is the loopback, Cyclone picks it already and refuses it a second time.
        try:
            return Domain(domain_id, without)
        except DDSException as error:
            raise DdsError(
                f"Cyclone DDS cannot start in domain {domain_id}: {error} "
                "Check the network interfaces, the ROS_* variables and CYCLONEDDS_URI"
            ) from error

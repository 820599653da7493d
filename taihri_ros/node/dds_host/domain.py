"""Lifetime of DDS entities, and of the domains that the participants of this process share.

Cyclone DDS configures each domain once in a process: the first participant creates it and the last one deletes it.
"""

from __future__ import annotations

import os
import re
import resource
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from cyclonedds.core import DDSException, Entity
from cyclonedds.domain import Domain
from cyclonedds.internal import dds_c_t

from taihri_ros.node.dds_host.cyclone_log import captured_messages
from taihri_ros.node.dds_host.discovery import YIELDING, cyclone_xml
from taihri_ros.node.dds_host.errors import DdsError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_SETTING = re.compile(r" config: Domain/(?P<name>[^:\[]+?)(?:\[@\w+\]|/#text): .* \{\d[\d,]*\}$", re.MULTILINE)
"""A line of the trace about a setting that some source of the configuration made."""

_FEWEST_FILES = 64
"""Smallest limit of open files with which a domain is joined: Cyclone DDS crashes where a socket cannot be opened."""

_LEAST_ADDRESSES = 1536 << 20
"""Smallest limit of the address space with which a domain is joined, bytes: Cyclone DDS ends the process without a word
where it cannot start one of its threads."""

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


class _Domain(Domain):  # type: ignore[misc]
    """A domain whose settings may contain any characters; the binding's own constructor takes ASCII only."""

    def __init__(self, domain_id: int, settings: str) -> None:
        self._id = domain_id
        Entity.__init__(self, self._create_domain(dds_c_t.domainid(domain_id), os.fsencode(settings)))


def _create(domain_id: int, environ: Mapping[str, str]) -> Domain:
    """Create a domain with the user's settings, and ours for what the user did not set."""
    _check_limits()
    user = environ.get("CYCLONEDDS_URI", "").strip()
    names = _user_settings(domain_id, user) if user else ()
    # On a machine whose only interface is the loopback, Cyclone picks it already and refuses it a second time.
    attempts = [cyclone_xml(environ, user_settings=names, loopback=loopback) for loopback in (True, False)]
    if user:
        attempts.append(user)  # Deprecated names of a setting are not in the trace, and may clash with ours.
    for settings in attempts:
        try:
            return _try(domain_id, settings)
        except DdsError as error:
            failure = error
    raise failure


def _check_limits() -> None:
    """Check the limits of this process without which Cyclone DDS ends it, instead of reporting an error."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if 0 <= files < _FEWEST_FILES:
        raise DdsError(f"only {files} files may be open, too few for Cyclone DDS: raise the limit (ulimit -n 1024)")
    addresses = resource.getrlimit(resource.RLIMIT_AS)[0]
    if 0 <= addresses < _LEAST_ADDRESSES:
        raise DdsError(
            f"only {addresses >> 20} MiB of addresses may be used, too few for Cyclone DDS: raise the limit "
            "(ulimit -v unlimited)"
        )


def _try(domain_id: int, settings: str, *, show_warnings: bool = True) -> Domain:
    """Create a domain, or raise an error with the messages of Cyclone DDS."""
    try:
        with captured_messages(show=show_warnings) as messages:
            return _Domain(domain_id, settings)
    except DDSException as error:
        reason = "; ".join(messages) or str(error)
        raise DdsError(
            f"Cyclone DDS cannot start in domain {domain_id}: {reason.rstrip('.')}. "
            "Check CYCLONEDDS_URI, the ROS_* variables and the network interfaces"
        ) from error


def _user_settings(domain_id: int, user: str) -> Collection[str]:
    """Return the names of the settings that the user's configuration makes, such as `General/AllowMulticast`.

    Cyclone DDS itself reads the configuration: it may be a list of files and XML fragments with abbreviated names, and
    parts of it may be for other domains. Its trace names every setting with the sources that set it. Where no file can
    be written for the trace, the user's configuration may make any setting.
    """
    try:
        file = tempfile.NamedTemporaryFile(suffix=".log")  # noqa: SIM115 - entered below
    except OSError:
        return YIELDING
    with file as trace:
        tracing = f"<OutputFile>{trace.name}</OutputFile><AppendToFile>false</AppendToFile>"
        settings = f"{user},<Tracing><Category>config</Category>{tracing}</Tracing>"
        try:
            delete(_try(domain_id, settings, show_warnings=False))
        except DdsError:
            return YIELDING
        text = Path(trace.name).read_text(encoding="utf-8", errors="replace")
    return frozenset(found["name"] for found in _SETTING.finditer(text))

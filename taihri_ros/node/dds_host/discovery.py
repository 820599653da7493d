"""Discovery settings: the ROS_* environment variables as Cyclone DDS configuration.

The XML matches the one that rmw_cyclonedds_cpp builds from the same variables, with two additions that yield to the
user's own settings. The loopback is an additional interface, so that nodes restricted to this machine are discovered
too. The receive buffer is large enough for raw images.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from taihri_ros.node.dds_host.errors import DdsError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MAX_DOMAIN_ID = 232
"""Largest domain: the UDP ports of a domain start at 7400 + 250 * domain and must be below 65536."""

DISCOVERY_RANGES = ("OFF", "LOCALHOST", "SUBNET", "SYSTEM_DEFAULT")

RECEIVE_BUFFER = 8 * 1024 * 1024
"""Requested size of the socket receive buffer in bytes: three raw 1280x720 images."""

ENOUGH_RECEIVE_BUFFER = 4 * 1024 * 1024
"""Size in bytes that holds one raw 1280x720 image with the kernel's overhead."""

_INTERFACES = "General/Interfaces/NetworkInterface"
_BUFFER = "Internal/SocketReceiveBufferSize"
YIELDING = (_INTERFACES, _BUFFER)
"""Names of our settings that are left out where the user's configuration makes them."""

_PEER = re.compile(r"[A-Za-z0-9.:_%\[\]-]+")


def domain_id(environ: Mapping[str, str] = os.environ) -> int:
    """Return the DDS domain from ROS_DOMAIN_ID.

    Args:
        environ: Environment variables.

    Returns:
        The domain; 0 when the variable is not set. As in ROS 2, `0x` marks a hexadecimal and `0` an octal number.

    Raises:
        DdsError: The variable is not a number from 0 to 232.
    """
    text = environ.get("ROS_DOMAIN_ID", "").strip() or "0"
    number = _integer(text)
    if number is None or number > MAX_DOMAIN_ID:
        raise DdsError(f"ROS_DOMAIN_ID is {text!r}: set it to a number from 0 to {MAX_DOMAIN_ID}, or unset it")
    return number


def cyclone_xml(
    environ: Mapping[str, str] = os.environ, *, user_settings: Collection[str] = (), loopback: bool = True
) -> str:
    """Return the Cyclone DDS configuration for the ROS_* variables, followed by the user's own.

    Args:
        environ: Environment variables: ROS_AUTOMATIC_DISCOVERY_RANGE, ROS_STATIC_PEERS, ROS_LOCALHOST_ONLY and
            CYCLONEDDS_URI are read.
        user_settings: Names of the settings that CYCLONEDDS_URI makes, such as `General/Interfaces/NetworkInterface`.
        loopback: Add the loopback to the interface that Cyclone picks, unless the user selects interfaces. Cyclone
            refuses this on a machine whose only interface is the loopback.

    Returns:
        XML, then a comma and CYCLONEDDS_URI if it is set: later settings override earlier ones, but Cyclone adds up
        interfaces and the sides of a buffer's range, so ours are left out where the user has some.

    Raises:
        DdsError: The value of a variable is not valid.
    """
    discovery_range, peers = _discovery_range(environ), _static_peers(environ)
    if _localhost_only(environ):
        discovery_range, peers = "LOCALHOST", []
    general = "<AllowMulticast>false</AllowMulticast>" if discovery_range in ("LOCALHOST", "OFF") else ""
    if loopback and not any(name.startswith(_INTERFACES) for name in user_settings):
        general += (
            '<Interfaces><NetworkInterface autodetermine="true"/><NetworkInterface address="127.0.0.1"/></Interfaces>'
        )
    buffer = ""
    if _BUFFER not in user_settings:
        buffer = f'<Internal><SocketReceiveBufferSize max="{RECEIVE_BUFFER}B"/></Internal>'
    settings = (
        f"<CycloneDDS><Domain><General>{general}</General>{buffer}"
        f"<Discovery>{_discovery(discovery_range, peers)}</Discovery></Domain></CycloneDDS>"
    )
    user = environ.get("CYCLONEDDS_URI", "").strip()
    return f"{settings},{user}" if user else settings


def receive_buffer_warning(limit_file: Path = Path("/proc/sys/net/core/rmem_max")) -> str | None:
    """Check that the kernel allows a socket buffer large enough for raw video.

    With Linux's default limit of 212,992 bytes, a best-effort camera loses most raw images in bursts of UDP packets.

    Args:
        limit_file: File with the kernel's limit in bytes.

    Returns:
        One line with the limit and the command that raises it; None if the limit is high enough or unknown.
    """
    try:
        limit = int(limit_file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    if limit >= ENOUGH_RECEIVE_BUFFER:
        return None
    return (
        f"net.core.rmem_max is {limit} bytes: raw images will be lost in transit. "
        f"Raise it with: sudo sysctl -w net.core.rmem_max={RECEIVE_BUFFER}"
    )


def _integer(text: str) -> int | None:
    """Return an integer in the notation of C, or None if the text is none."""
    if not text.isascii() or not text.isalnum():
        return None
    base = 16 if text[:2] in ("0x", "0X") else 8 if text[0] == "0" else 10
    try:
        return int(text, base)
    except ValueError:
        return None


def _localhost_only(environ: Mapping[str, str]) -> bool:
    """Check ROS_LOCALHOST_ONLY, which prevails over the newer variables where it is on."""
    return environ.get("ROS_LOCALHOST_ONLY", "").startswith("1")


def _discovery_range(environ: Mapping[str, str]) -> str:
    text = environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").strip().upper()
    if not text:
        return "SUBNET"
    if text not in DISCOVERY_RANGES:
        known = ", ".join(DISCOVERY_RANGES)
        raise DdsError(f"ROS_AUTOMATIC_DISCOVERY_RANGE is {text!r}: set it to one of {known}, or unset it")
    return text


def _static_peers(environ: Mapping[str, str]) -> list[str]:
    peers = [peer.strip() for peer in environ.get("ROS_STATIC_PEERS", "").split(";")]
    for peer in filter(None, peers):
        if not _PEER.fullmatch(peer):
            raise DdsError(f"ROS_STATIC_PEERS contains {peer!r}: list host names or addresses, separated by ';'")
    return list(filter(None, peers))


def _discovery(discovery_range: str, peers: list[str]) -> str:
    if discovery_range == "SYSTEM_DEFAULT":
        return ""
    if discovery_range == "OFF":
        return f"<ParticipantIndex>none</ParticipantIndex><Tag>ros_discovery_off_{os.getpid()}</Tag>"
    if discovery_range == "LOCALHOST":
        peers = ["localhost", *peers]
    addresses = "".join(f"<Peer address={quoteattr(peer)}/>" for peer in peers)
    return "<ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>32</MaxAutoParticipantIndex>" + (
        f"<Peers>{addresses}</Peers>" if peers else ""
    )

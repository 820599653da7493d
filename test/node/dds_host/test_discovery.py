from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from required import require

from taihri_ros.node.dds_host import DdsError, domain_id, receive_buffer_warning
from taihri_ros.node.dds_host.discovery import cyclone_xml


def config(**environ: str) -> ElementTree.Element:
    """Return the XML of the domain that the variables configure."""
    domain = ElementTree.fromstring(cyclone_xml(environ)).find("Domain")
    assert domain is not None
    return domain


def peers(domain: ElementTree.Element) -> list[str | None]:
    return [peer.get("address") for peer in domain.findall("Discovery/Peers/Peer")]


def test_without_variables_the_range_is_the_subnet() -> None:
    domain = config()
    assert domain.find("General/AllowMulticast") is None
    assert domain.findtext("Discovery/ParticipantIndex") == "auto"
    assert domain.findtext("Discovery/MaxAutoParticipantIndex") == "32"
    assert peers(domain) == []


def test_the_loopback_is_an_interface_beside_the_one_that_cyclone_picks() -> None:
    picked, loopback = config().findall("General/Interfaces/NetworkInterface")
    assert picked.attrib == {"autodetermine": "true"}
    assert loopback.attrib == {"address": "127.0.0.1"}
    without = ElementTree.fromstring(cyclone_xml({}, loopback=False))
    assert len(without.findall("Domain/General/Interfaces/NetworkInterface")) == 1


def test_a_large_receive_buffer_is_requested_but_not_required() -> None:
    buffer = config().find("Internal/SocketReceiveBufferSize")
    assert buffer is not None
    assert buffer.attrib == {"max": "8388608B"}


@pytest.mark.parametrize(
    "environ",
    [
        {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"},
        {"ROS_AUTOMATIC_DISCOVERY_RANGE": "localhost"},
        {"ROS_LOCALHOST_ONLY": "1"},
        {"ROS_LOCALHOST_ONLY": "1", "ROS_AUTOMATIC_DISCOVERY_RANGE": ""},
    ],
)
def test_localhost_turns_multicast_off(environ: dict[str, str]) -> None:
    domain = config(**environ)
    assert domain.findtext("General/AllowMulticast") == "false"
    assert peers(domain) == ["localhost"]


@pytest.mark.parametrize(
    "environ",
    [
        {"ROS_LOCALHOST_ONLY": "0"},
        {"ROS_LOCALHOST_ONLY": "1", "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"},
        {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"},
    ],
)
def test_subnet_keeps_multicast(environ: dict[str, str]) -> None:
    assert config(**environ).find("General/AllowMulticast") is None


def test_off_isolates_the_participant() -> None:
    domain = config(ROS_AUTOMATIC_DISCOVERY_RANGE="OFF", ROS_STATIC_PEERS="10.0.0.1")
    assert domain.findtext("General/AllowMulticast") == "false"
    assert domain.findtext("Discovery/ParticipantIndex") == "none"
    assert domain.findtext("Discovery/Tag") == f"ros_discovery_off_{os.getpid()}"
    assert peers(domain) == []


def test_system_default_leaves_discovery_to_cyclone() -> None:
    domain = config(ROS_AUTOMATIC_DISCOVERY_RANGE="SYSTEM_DEFAULT", ROS_STATIC_PEERS="10.0.0.1")
    assert domain.find("General/AllowMulticast") is None
    discovery = domain.find("Discovery")
    assert discovery is not None
    assert len(discovery) == 0


def test_an_unknown_range_is_refused() -> None:
    with pytest.raises(DdsError, match=r"RANGE is 'WORLD': set it to one of OFF, LOCALHOST, SUBNET, SYSTEM_DEFAULT"):
        cyclone_xml({"ROS_AUTOMATIC_DISCOVERY_RANGE": "WORLD"})


def test_static_peers_are_listed() -> None:
    assert peers(config(ROS_STATIC_PEERS="10.0.0.1; robot.local;;[fe80::1%eth0]")) == [
        "10.0.0.1",
        "robot.local",
        "[fe80::1%eth0]",
    ]


@pytest.mark.parametrize("value", ['"/><Evil/>', "a b", "10.0.0.0/8", "a,b"])
def test_an_invalid_peer_address_is_refused(value: str) -> None:
    with pytest.raises(DdsError, match="ROS_STATIC_PEERS contains"):
        cyclone_xml({"ROS_STATIC_PEERS": f"robot.local;{value}"})


def test_the_user_configuration_comes_last() -> None:
    assert cyclone_xml({"CYCLONEDDS_URI": "file:///etc/cyclone.xml"}).endswith("</CycloneDDS>,file:///etc/cyclone.xml")
    assert cyclone_xml({"CYCLONEDDS_URI": " "}).endswith("</CycloneDDS>")


@pytest.mark.parametrize(("value", "expected"), [(None, 0), ("", 0), ("0", 0), ("42", 42), (" 7 ", 7), ("232", 232)])
def test_the_domain_comes_from_the_variable(value: str | None, expected: int) -> None:
    assert domain_id({} if value is None else {"ROS_DOMAIN_ID": value}) == expected


@pytest.mark.parametrize("value", ["-1", "233", "one", "1.0", "²", "0x10"])
def test_an_invalid_domain_id_is_refused(value: str) -> None:
    with pytest.raises(DdsError, match=r"ROS_DOMAIN_ID is .*: set it to a number from 0 to 232, or unset it"):
        domain_id({"ROS_DOMAIN_ID": value})


def test_a_small_receive_buffer_gives_a_warning(tmp_path: Path) -> None:
    limit = tmp_path / "rmem_max"
    limit.write_text("212992\n")
    warning = receive_buffer_warning(limit)
    assert warning is not None
    assert "212992 bytes" in warning
    assert "sudo sysctl -w net.core.rmem_max=8388608" in warning


def test_a_large_or_unknown_receive_buffer_gives_no_warning(tmp_path: Path) -> None:
    limit = tmp_path / "rmem_max"
    assert receive_buffer_warning(limit) is None
    limit.write_text("8388608\n")
    assert receive_buffer_warning(limit) is None


OPEN_A_NODE = "from taihri_ros.node.dds_host import DdsNode; DdsNode('single', domain_id=1).close(); print('joined')"


def test_a_node_joins_on_a_machine_with_only_a_loopback() -> None:
    namespace = [shutil.which("unshare") or "unshare", "--user", "--map-root-user", "--net"]
    usable = (
        shutil.which("ip") and subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode == 0
    )
    require(usable, "a network namespace", "install iproute2 and util-linux, and allow user namespaces")
    script = f'ip link set lo up && exec "{sys.executable}" -c "{OPEN_A_NODE}"'
    done = subprocess.run([*namespace, "sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "joined\n", done.stderr


def test_a_configuration_that_cyclone_refuses_is_a_clear_error() -> None:
    environ = {**os.environ, "CYCLONEDDS_URI": "<CycloneDDS><Domain><Nonsense/></Domain></CycloneDDS>"}
    done = subprocess.run(
        [sys.executable, "-c", OPEN_A_NODE], capture_output=True, text=True, timeout=60, check=False, env=environ
    )
    assert "DdsError: Cyclone DDS cannot start in domain 1" in done.stderr
    assert "CYCLONEDDS_URI" in done.stderr

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from domains import new_domain
from required import require

from taihri_ros.node.dds_host import DdsError, domain_id, receive_buffer_warning
from taihri_ros.node.dds_host.cyclone_log import captured_messages
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


def test_the_loopback_is_an_additional_interface() -> None:
    picked, loopback = config().findall("General/Interfaces/NetworkInterface")
    assert picked.attrib == {"autodetermine": "true"}
    assert loopback.attrib == {"address": "127.0.0.1"}
    without = ElementTree.fromstring(cyclone_xml({}, loopback=False))
    assert without.find("Domain/General/Interfaces") is None


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
        {"ROS_LOCALHOST_ONLY": "1", "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", "ROS_STATIC_PEERS": "10.0.0.1"},
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


@pytest.mark.handles("Settings and DDS", "unknown ROS_AUTOMATIC_DISCOVERY_RANGE", "refused with the known ones")
def test_an_unknown_range_is_refused() -> None:
    with pytest.raises(DdsError, match=r"RANGE is 'WORLD': set it to one of OFF, LOCALHOST, SUBNET, SYSTEM_DEFAULT"):
        cyclone_xml({"ROS_AUTOMATIC_DISCOVERY_RANGE": "WORLD"})


def test_static_peers_are_listed() -> None:
    assert peers(config(ROS_STATIC_PEERS="10.0.0.1; robot.local;;[fe80::1%eth0]")) == [
        "10.0.0.1",
        "robot.local",
        "[fe80::1%eth0]",
    ]


@pytest.mark.handles("Settings and DDS", "ROS_STATIC_PEERS with something that is no address", "refused by name")
@pytest.mark.parametrize("value", ['"/><Evil/>', "a b", "10.0.0.0/8", "a,b"])
def test_an_invalid_peer_address_is_refused(value: str) -> None:
    with pytest.raises(DdsError, match="ROS_STATIC_PEERS contains"):
        cyclone_xml({"ROS_STATIC_PEERS": f"robot.local;{value}"})


def test_the_user_configuration_comes_last() -> None:
    assert cyclone_xml({"CYCLONEDDS_URI": "file:///etc/cyclone.xml"}).endswith("</CycloneDDS>,file:///etc/cyclone.xml")
    assert cyclone_xml({"CYCLONEDDS_URI": " "}).endswith("</CycloneDDS>")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, 0),
        ("", 0),
        ("0", 0),
        ("42", 42),
        (" 7 ", 7),
        ("232", 232),
        pytest.param(
            "0x10",
            16,
            marks=pytest.mark.handles("Settings and DDS", "ROS_DOMAIN_ID 0x10 or 010", "read as in ROS 2: 16 and 8"),
        ),
        ("010", 8),
    ],
)
def test_the_domain_comes_from_the_variable(value: str | None, expected: int) -> None:
    assert domain_id({} if value is None else {"ROS_DOMAIN_ID": value}) == expected


@pytest.mark.handles(
    "Settings and DDS", "ROS_DOMAIN_ID that is no number from 0 to 232", "refused with the allowed range"
)
@pytest.mark.parametrize("value", ["-1", "233", "one", "1.0", "²", "0xg", "09", "1_0"])
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


def test_the_loopback_yields_to_interfaces_of_the_user() -> None:
    settings = cyclone_xml({}, user_settings={"General/Interfaces/NetworkInterface"})
    assert ElementTree.fromstring(settings).find("Domain/General/Interfaces") is None
    settings = cyclone_xml({}, user_settings={"General/AllowMulticast"})
    assert ElementTree.fromstring(settings).find("Domain/General/Interfaces") is not None


def test_the_receive_buffer_yields_to_the_users() -> None:
    settings = cyclone_xml({}, user_settings={"Internal/SocketReceiveBufferSize"})
    assert ElementTree.fromstring(settings).find("Domain/Internal") is None


OPEN_A_NODE = """
import sys
from taihri_ros.node.dds_host import DdsError, DdsNode
try:
    DdsNode("single", domain_id=int(sys.argv[1])).close()
except DdsError as error:
    sys.exit(str(error))
print("joined")
"""
"""Opens a node in a process of its own, because Cyclone DDS reads its configuration once in a process."""


def test_a_node_joins_on_a_machine_with_only_a_loopback() -> None:
    namespace = [shutil.which("unshare") or "unshare", "--user", "--map-root-user", "--net"]
    usable = (
        shutil.which("ip") and subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode == 0
    )
    require(usable, "a network namespace", "install iproute2 and util-linux, and allow user namespaces")
    script = f"ip link set lo up && exec {sys.executable} -c {shlex.quote(OPEN_A_NODE)} {new_domain()}"
    done = subprocess.run([*namespace, "sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("joined\n", "")


def interfaces(uri: str, tmp_path: Path, domain: int | None = None) -> list[str]:
    """Open a node with a CYCLONEDDS_URI, and return the interfaces that Cyclone selects."""
    trace = tmp_path / "cyclone.log"
    uri += f",<Tracing><Category>config</Category><OutputFile>{trace}</OutputFile></Tracing>"
    done = open_a_node(uri, domain)
    assert done.stdout == "joined\n", done.stderr
    (selected,) = re.findall(r"selected interfaces: (.*)", trace.read_text().rpartition("started at")[2])
    return re.findall(r"(\S+) \(index", selected)


def open_a_node(uri: str, domain: int | None = None) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "CYCLONEDDS_URI": uri}
    command = [sys.executable, "-c", OPEN_A_NODE, str(domain or new_domain())]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environ)


NAMED = '<Interfaces><NetworkInterface name="lo"/></Interfaces>'


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param(
            f"<CycloneDDS><Domain><General>{NAMED}</General></Domain></CycloneDDS>",
            marks=pytest.mark.handles(
                "Settings and DDS", "CYCLONEDDS_URI that selects interfaces", "only these interfaces are used"
            ),
        ),
        f'<CycloneDDS xmlns="https://cdds.io/config"><Domain id="any"><General>{NAMED}</General></Domain></CycloneDDS>',
        pytest.param(
            f"<General>{NAMED}</General>",
            marks=pytest.mark.handles(
                "Settings and DDS", "CYCLONEDDS_URI with XML fragments, abbreviated names or several parts", "honoured"
            ),
        ),
        '<Gen><Int><NetworkInterface name="lo"/></></>',
        '<General><Interfaces><NetworkInterface address="127.0.0.1" priority="3"/></Interfaces></General>',
        f"<General><AllowMulticast>spdp</AllowMulticast></General>,<General>{NAMED}</General>",
        pytest.param(
            "<General><NetworkInterfaceAddress>lo</NetworkInterfaceAddress></General>",
            marks=pytest.mark.handles(
                "Settings and DDS", "CYCLONEDDS_URI with the deprecated NetworkInterfaceAddress", "honoured"
            ),
        ),
        f'<Domain id="233"><General><Interfaces><NetworkInterface name="none"/></Interfaces></General></Domain>,'
        f"<General>{NAMED}</General>",
        f"<!-- Wörter -->\n<General>{NAMED}</General>",
    ],
)
def test_the_users_interfaces_are_the_only_ones(uri: str, tmp_path: Path) -> None:
    assert interfaces(uri, tmp_path) == ["lo"]


@pytest.mark.handles("Settings and DDS", "CYCLONEDDS_URI with files, by URI or by path", "honoured")
@pytest.mark.parametrize("form", ["file://{}", "{}", "<General><AllowMulticast>spdp</AllowMulticast></General>,{}"])
def test_the_users_configuration_may_be_a_file(form: str, tmp_path: Path) -> None:
    file = tmp_path / "Einstellungen für den Arm.xml"
    file.write_text(
        '<?xml version="1.0" encoding="UTF-8" ?>\n'
        f"<CycloneDDS><Domain><!-- nur für Ärger --><General>{NAMED}</General></Domain></CycloneDDS>\n"
    )
    assert interfaces(form.format(file), tmp_path) == ["lo"]


def test_settings_of_another_domain_do_not_decide(tmp_path: Path) -> None:
    domain = new_domain()
    uri = f'<Domain id="{domain + 1}"><General>{NAMED}</General></Domain>'
    assert "lo" in interfaces(uri, tmp_path, domain)
    assert interfaces(uri, tmp_path, domain) == interfaces("", tmp_path, domain)


@pytest.mark.handles("Settings and DDS", "CYCLONEDDS_URI with a receive buffer", "its size replaces the node's own")
def test_the_users_receive_buffer_replaces_ours(tmp_path: Path) -> None:
    uri = '<Internal><SocketReceiveBufferSize min="64kB" max="128kB"/></Internal>'
    trace = tmp_path / "cyclone.log"
    tracing = f"<Tracing><Category>config</Category><OutputFile>{trace}</OutputFile></Tracing>"
    assert open_a_node(f"{uri},{tracing}").stdout == "joined\n"
    used = trace.read_text().rpartition("started at")[2]
    sizes = {int(size) for size in re.findall(r"receive buffer size set to (\d+)", used)}
    assert 65536 <= min(sizes) <= max(sizes) <= 2 * 131072, "the kernel may double a size"


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        pytest.param(
            "<CycloneDDS><Domain><Nonsense/></Domain></CycloneDDS>",
            "Nonsense: unknown element",
            marks=pytest.mark.handles(
                "Settings and DDS", "CYCLONEDDS_URI that Cyclone DDS refuses", "refused in one line with its reason"
            ),
        ),
        ("<CycloneDDS><Domain></CycloneDDS>", "open/close tag mismatch"),
        ("<General><MaxMessageSize>lots</MaxMessageSize></General>", "lots: invalid value"),
        ("file:///nowhere/cyclone.xml", "can't open configuration file file:///nowhere/cyclone.xml"),
        ("cyclone", "can't open configuration file cyclone"),
        ('<General><Interfaces><NetworkInterface name="wlan7"/></></>', "wlan7: does not match an available interface"),
    ],
)
def test_a_configuration_that_cyclone_refuses_is_one_line_with_its_reason(uri: str, reason: str) -> None:
    done = open_a_node(uri)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert re.match(r"Cyclone DDS cannot start in domain \d+: ", line)
    assert reason in line
    assert line.endswith("Check CYCLONEDDS_URI, the ROS_* variables and the network interfaces")


def test_other_messages_on_stderr_are_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    cyclone = "1795889445.913849 [71]     python: eth0: the same interface may not be selected twice\n"
    for show in (False, True):
        with captured_messages(show=show) as messages:
            os.write(2, f"before\n{cyclone}after\n".encode())
        assert messages == ["eth0: the same interface may not be selected twice"]
        assert capfd.readouterr().err == (f"before\n{cyclone}after\n" if show else "before\nafter\n")


@pytest.mark.handles(
    "Settings and DDS", "no directory for temporary files, or stderr that nobody reads", "the embedded host starts"
)
def test_cyclone_starts_without_temporary_files_and_with_a_broken_stderr() -> None:
    code = f"import tempfile; tempfile._get_default_tempdir = lambda: open('/nowhere'); {OPEN_A_NODE}"
    environ = {**os.environ, "CYCLONEDDS_URI": "<General><AllowMulticast>false</AllowMulticast></General>"}
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-c", code, str(new_domain())]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, timeout=60, env=environ)
    assert (done.returncode, done.stdout) == (0, "joined\n")


def test_messages_for_a_stderr_that_is_full_are_dropped() -> None:
    code = (
        "import os; from taihri_ros.node.dds_host.cyclone_log import captured_messages\n"
        "with captured_messages(show=True): os.write(2, b'lost')\nprint('end')"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=full, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"end\n")


@pytest.mark.handles("Settings and DDS", "ulimit -n below 64, or ulimit -v below 1.5 GiB", "refused: raise the limit")
@pytest.mark.parametrize(
    ("limit", "message"),
    [("-n 16", "only 16 files may be open"), ("-v 1024000", "only 1000 MiB of addresses may be used")],
)
def test_limits_are_refused_with_which_cyclone_crashes(limit: str, message: str) -> None:
    script = f"ulimit {limit} && exec {sys.executable} -c {shlex.quote(OPEN_A_NODE)} {new_domain()}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{message}, too few for Cyclone DDS: raise the limit")

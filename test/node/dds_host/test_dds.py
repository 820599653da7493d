"""The DDS node, with a peer in another process."""

from __future__ import annotations

import base64
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dds_peer import Inbox, Peer, make, plain, wait_until
from domains import new_domain

from taihri_ros.node.dds_host import DEFAULT, LATCHED, SENSOR_DATA, TF, DdsError, DdsNode, QoS, RosTypes, Subscription
from taihri_ros.resources import share_directory

STRING = "std_msgs/msg/String"
IMAGE = "sensor_msgs/msg/Image"
POSES = "geometry_msgs/msg/PoseArray"
PERSON = "taihri_ros/msg/HumanKeypoints"
INFO = "rmw_dds_common/msg/ParticipantEntitiesInfo"

HEADER = {"stamp": {"sec": 1_700_000_000, "nanosec": 999_999_999}, "frame_id": "camera_optical"}


@pytest.fixture(scope="module")
def domain() -> int:
    return new_domain()


@pytest.fixture(scope="module")
def types() -> RosTypes:
    return RosTypes("jazzy", share_directory())


@pytest.fixture(scope="module")
def peer(domain: int) -> Iterator[Peer]:
    with Peer(domain) as process:
        yield process


@pytest.fixture
def node(domain: int, types: RosTypes) -> Iterator[DdsNode]:
    with DdsNode("taihri", "/robot", types=types, domain_id=domain) as opened:
        yield opened


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    return "/" + "".join(letter if letter.isalnum() else "_" for letter in request.node.name)


def text(data: str) -> dict[str, Any]:
    return {"data": data}


def image(height: int = 480, width: int = 640, sec: int = 1) -> dict[str, Any]:
    pixels = np.random.default_rng(sec).integers(0, 256, height * width * 3, dtype=np.uint8)
    return {
        "header": {"stamp": {"sec": sec, "nanosec": 5}, "frame_id": "camera_optical"},
        "height": height,
        "width": width,
        "encoding": "rgb8",
        "is_bigendian": 0,
        "step": 3 * width,
        "data": pixels,
    }


def poses(count: int) -> dict[str, Any]:
    numbers = np.random.default_rng(count).normal(size=(count, 3))
    orientation = {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0}
    return {
        "header": HEADER,
        "poses": [
            {"position": dict(zip("xyz", map(float, row), strict=True)), "orientation": orientation} for row in numbers
        ],
    }


def person() -> dict[str, Any]:
    keypoint = {
        "name": "left_wrist",
        "state": 0,
        "reason": "",
        "position": {"x": 0.1, "y": -0.2, "z": 1.3},
        "covariance": np.arange(9.0),
        "confidence": 0.875,
        "u": 320.5,
        "v": 240.25,
        "depth": 2,
    }
    return {
        "header": HEADER,
        "command": "shake my hand",
        "keypoints": [keypoint],
        "has_box": True,
        "box": np.array([1.0, 2.0, 3.0, 4.0]),
        "presence": 0.75,
        "min_confidence": 0.25,
        "min_presence": 0.5,
        "stages": ["decode", "engine"],
        "durations": np.array([0.001, 0.1]),
        "model": "tiny",
    }


def same(left: Any, right: Any) -> bool:
    """Compare nested plain values that contain arrays."""
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(np.array_equal(left, right))


@pytest.mark.parametrize(
    ("msg_type", "qos"),
    [(STRING, DEFAULT), (POSES, DEFAULT), (IMAGE, SENSOR_DATA), (IMAGE, DEFAULT), (PERSON, DEFAULT)],
)
def test_messages_arrive_unchanged_in_both_directions(
    node: DdsNode, peer: Peer, types: RosTypes, topic: str, msg_type: str, qos: QoS
) -> None:
    fields = {STRING: text("shake my hand, grüße"), POSES: poses(22), IMAGE: image(), PERSON: person()}[msg_type]
    inbox = Inbox()
    subscription = node.subscribe(msg_type, topic + "/in", inbox, qos)
    publisher = node.publisher(msg_type, topic + "/out", qos)
    peer.publisher(msg_type, topic + "/in", qos)
    peer.subscribe(msg_type, topic + "/out", qos)
    wait_until(lambda: subscription.matched and publisher.matched)
    wait_until(lambda: peer.matched(topic + "/in") and peer.matched(topic + "/out"))

    peer.publish(topic + "/in", fields)
    assert same(plain(inbox.get()), fields)
    publisher.publish(make(types, msg_type, fields))
    assert same(peer.receive(topic + "/out"), fields)
    assert subscription.malformed == 0


def test_an_empty_pose_array_arrives(node: DdsNode, peer: Peer, types: RosTypes, topic: str) -> None:
    publisher = node.publisher(POSES, topic)
    peer.subscribe(POSES, topic)
    wait_until(lambda: publisher.matched)
    publisher.publish(make(types, POSES, poses(0)))
    assert peer.receive(topic) == poses(0)


def test_a_late_subscriber_receives_the_last_latched_message(
    node: DdsNode, peer: Peer, types: RosTypes, topic: str
) -> None:
    publisher = node.publisher(STRING, topic, LATCHED)
    publisher.publish(make(types, STRING, text("old")))
    publisher.publish(make(types, STRING, text("new")))
    peer.subscribe(STRING, topic, LATCHED)
    assert peer.receive(topic) == text("new")


def test_a_latched_history_has_the_requested_depth(node: DdsNode, peer: Peer, types: RosTypes, topic: str) -> None:
    publisher = node.publisher(STRING, topic, QoS(depth=2, transient_local=True))
    for data in "abc":
        publisher.publish(make(types, STRING, text(data)))
    peer.subscribe(STRING, topic, QoS(depth=5, transient_local=True))
    assert [peer.receive(topic) for _ in range(2)] == [text("b"), text("c")]


def test_messages_of_a_late_publisher_arrive(node: DdsNode, peer: Peer, topic: str) -> None:
    inbox = Inbox()
    node.subscribe(STRING, topic, inbox, LATCHED)
    peer.publisher(STRING, topic, LATCHED)
    peer.publish(topic, text("late"))
    assert inbox.get().data == "late"


@pytest.mark.parametrize("qos", [DEFAULT, SENSOR_DATA, TF, LATCHED])
def test_discovery_announces_qos_type_and_type_hash(
    node: DdsNode, peer: Peer, types: RosTypes, topic: str, qos: QoS
) -> None:
    publisher = node.publisher(POSES, topic, qos)
    subscription = node.subscribe(POSES, topic, Inbox(), qos)
    for endpoint, find in ((publisher, peer.writers), (subscription, peer.readers)):
        (found,) = wait_until(lambda find=find: find("rt" + topic))
        assert found["gid"] == endpoint.gid
        assert found["type_name"] == "geometry_msgs::msg::dds_::PoseArray_"
        assert found["type_id"]
        assert found["qos"]["Reliability"]["kind"] == ("Reliable" if qos.reliable else "BestEffort")
        assert found["qos"]["Durability"]["kind"] == ("TransientLocal" if qos.transient_local else "Volatile")
        assert found["qos"]["DataRepresentation"] == {
            "use_cdrv0_representation": True,
            "use_xcdrv2_representation": False,
        }
        user_data = base64.b64decode(found["qos"]["Userdata"]["data"])
        assert user_data == f"typehash={types.type_hash(POSES)};".encode()


@pytest.mark.parametrize(("distro", "gid_size"), [("humble", 24), ("jazzy", 16)])
def test_the_graph_lists_the_node_and_its_endpoints(topic: str, distro: str, gid_size: int) -> None:
    domain = new_domain()  # a separate domain: Humble describes the graph in another form
    types = RosTypes(distro)
    inbox = Inbox()
    with DdsNode("listener", types=types, domain_id=domain) as listener:
        Subscription(listener._participant, INFO, "ros_discovery_info", inbox, LATCHED)
        with DdsNode("taihri", "/robot", types=types, domain_id=domain) as node:

            def described() -> Any:
                """Return the endpoints of the node in the newest description."""
                info = inbox.get()
                (found,) = info.node_entities_info_seq
                if found.node_name != "taihri":
                    return described()
                assert found.node_namespace == "/robot"
                assert len(info.gid.data) == gid_size
                assert bytes(info.gid.data) == node._participant.gid.ljust(gid_size, b"\0")
                return [[bytes(gid.data) for gid in gids] for gids in (found.reader_gid_seq, found.writer_gid_seq)]

            def settles_at(*expected: list[bytes]) -> bool:
                padded = [[gid.ljust(gid_size, b"\0") for gid in gids] for gids in expected]
                return wait_until(lambda: described() == padded)

            assert settles_at([], [])
            publisher = node.publisher(STRING, topic)
            assert settles_at([], [publisher.gid])
            subscription = node.subscribe(STRING, topic, Inbox())
            assert settles_at([subscription.gid], [publisher.gid])
            publisher.destroy()
            assert settles_at([subscription.gid], [])
            subscription.destroy()
            assert settles_at([], [])


def test_names_are_resolved_for_the_node_and_remapped(domain: int, types: RosTypes) -> None:
    rules = ["image:=/camera/image_raw", "__ns:=/arm"]
    with DdsNode("taihri", types=types, domain_id=domain, remaps=rules) as node:
        assert node.namespace == "/arm"
        assert node.publisher(STRING, "~/keypoints").topic == "/arm/taihri/keypoints"
        assert node.subscribe(IMAGE, "image", Inbox()).topic == "/camera/image_raw"
        assert node.resolve("camera_info") == "/arm/camera_info"


def test_matched_counts_the_peers_of_an_endpoint(node: DdsNode, peer: Peer, topic: str) -> None:
    publisher = node.publisher(STRING, topic)
    assert publisher.matched == 0
    peer.subscribe(STRING, topic)
    wait_until(lambda: publisher.matched == 1)
    ours = node.subscribe(STRING, topic, Inbox())
    wait_until(lambda: publisher.matched == 2 and ours.matched == 1)
    ours.destroy()
    wait_until(lambda: publisher.matched == 1)
    assert ours.matched == 0


def test_a_closed_peer_is_no_longer_matched(domain: int, node: DdsNode, topic: str) -> None:
    with Peer(domain, name="temporary") as temporary:
        temporary.subscribe(STRING, topic)
        publisher = node.publisher(STRING, topic)
        wait_until(lambda: publisher.matched == 1)
        temporary.close()
        wait_until(lambda: publisher.matched == 0)


def test_only_the_newest_message_is_kept_at_a_depth_of_one(node: DdsNode, peer: Peer, topic: str) -> None:
    busy, entered = threading.Event(), threading.Event()
    received: list[str] = []

    def slow(message: Any) -> None:
        received.append(message.data)
        entered.set()
        busy.wait(20)

    node.subscribe(STRING, topic, slow, QoS(depth=1))
    marker = Inbox()
    node.subscribe(STRING, topic + "/marker", marker)
    peer.publisher(STRING, topic)
    wait_until(lambda: peer.matched(topic))
    peer.publish(topic, text("first"))
    assert entered.wait(20)
    for number in range(50):
        peer.publish(topic, text(str(number)))
    wait_until(lambda: peer.writers_acknowledged(topic))
    busy.set()
    wait_until(lambda: len(received) > 1)
    assert received == ["first", "49"]


def test_reliable_messages_arrive_complete_and_in_order(node: DdsNode, peer: Peer, topic: str) -> None:
    inbox = Inbox()
    node.subscribe(STRING, topic, inbox, QoS(depth=200))
    peer.publisher(STRING, topic, QoS(depth=200))
    wait_until(lambda: peer.matched(topic))
    for number in range(100):
        peer.publish(topic, text(str(number)))
    assert [inbox.get().data for _ in range(100)] == [str(number) for number in range(100)]


def test_an_exception_in_a_callback_is_logged_and_the_next_message_is_delivered(
    node: DdsNode, peer: Peer, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()

    def fragile(message: Any) -> None:
        if message.data == "bad":
            raise ValueError("no such joint")
        inbox(message)

    subscription = node.subscribe(STRING, topic, fragile)
    peer.publisher(STRING, topic)
    wait_until(lambda: peer.matched(topic))
    peer.publish(topic, text("bad"))
    peer.publish(topic, text("good"))
    assert inbox.get().data == "good"
    assert subscription.received == 2
    assert f"the callback of {topic} failed" in caplog.text
    assert "no such joint" in caplog.text


def test_malformed_samples_are_counted_and_dropped_and_logged_once(
    node: DdsNode, peer: Peer, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()
    subscription = node.subscribe(STRING, topic, inbox)
    peer.publisher(STRING, topic)
    wait_until(lambda: peer.matched(topic))
    for _ in range(3):
        peer.publish_cdr(topic, b"\0\1\0\0" + b"\2\0\0\0\xff\0\0\0")  # well-formed CDR, but not UTF-8
    peer.publish(topic, text("good"))
    assert inbox.get().data == "good"
    assert inbox.empty()
    assert subscription.malformed == 3
    assert subscription.received == 1
    assert caplog.text.count(f"dropped a sample of {topic}") == 1


def test_incompatible_qos_is_reported_at_both_ends(
    node: DdsNode, peer: Peer, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    subscription = node.subscribe(STRING, topic, Inbox(), DEFAULT)
    assert subscription.incompatible_qos is None
    peer.publisher(STRING, topic, SENSOR_DATA)
    assert wait_until(lambda: subscription.incompatible_qos) == "reliability"
    assert wait_until(lambda: peer.incompatible_qos(topic)) == "reliability"
    assert subscription.matched == 0
    assert f"a publisher of {topic} offers another reliability than this subscription requests" in caplog.text


def test_another_type_is_reported_at_both_ends(
    node: DdsNode, peer: Peer, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    subscription = node.subscribe(STRING, topic, Inbox(), DEFAULT)
    peer.publisher("sensor_msgs/msg/Image", topic, DEFAULT)
    assert wait_until(lambda: subscription.incompatible_qos) == "type"
    assert wait_until(lambda: peer.incompatible_qos(topic)) == "type"
    assert f"a publisher of {topic} offers another type ({STRING} is wanted)" in caplog.text


def test_a_callback_that_always_fails_is_logged_now_and_then(
    node: DdsNode, peer: Peer, types: RosTypes, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Any) -> None:
        raise RuntimeError("always")

    subscription = node.subscribe(STRING, topic, fail, DEFAULT)
    for _ in range(20):
        subscription._on_cdr(types.serialize(types.message(STRING)(data="hello"), STRING))
    assert caplog.text.count(f"the callback of {topic} failed: RuntimeError: always") == 1
    assert caplog.text.count("Traceback") == 1


def test_a_volatile_publisher_is_incompatible_with_a_latched_subscription(
    node: DdsNode, peer: Peer, topic: str
) -> None:
    publisher = node.publisher(STRING, topic, DEFAULT)
    peer.subscribe(STRING, topic, LATCHED)
    assert wait_until(lambda: publisher.incompatible_qos) == "durability"


def test_a_destroyed_subscription_receives_nothing(node: DdsNode, peer: Peer, topic: str) -> None:
    first, second = Inbox(), Inbox()
    peer.publisher(STRING, topic)
    subscription = node.subscribe(STRING, topic, first)
    wait_until(lambda: peer.matched(topic))
    subscription.destroy()
    subscription.destroy()
    wait_until(lambda: not peer.matched(topic))
    node.subscribe(STRING, topic, second)
    wait_until(lambda: peer.matched(topic))
    peer.publish(topic, text("after"))
    assert second.get().data == "after"
    assert first.empty()


def test_a_subscription_may_be_destroyed_by_its_own_callback(node: DdsNode, peer: Peer, topic: str) -> None:
    inbox = Inbox()

    def once(message: Any) -> None:
        subscription.destroy()
        inbox(message)

    subscription = node.subscribe(STRING, topic, once)
    other = Inbox()
    node.subscribe(STRING, topic + "/other", other)
    peer.publisher(STRING, topic)
    peer.publisher(STRING, topic + "/other")
    wait_until(lambda: peer.matched(topic) and peer.matched(topic + "/other"))
    peer.publish(topic, text("once"))
    assert inbox.get().data == "once"
    peer.publish(topic + "/other", text("alive"))
    assert other.get().data == "alive"


def test_publishing_with_a_destroyed_publisher_is_an_error(node: DdsNode, types: RosTypes, topic: str) -> None:
    publisher = node.publisher(STRING, topic)
    publisher.destroy()
    publisher.destroy()
    with pytest.raises(DdsError, match=f"publisher of {topic} is destroyed"):
        publisher.publish(make(types, STRING, text("")))


def test_a_message_of_another_type_is_refused(node: DdsNode, types: RosTypes, topic: str) -> None:
    publisher = node.publisher(IMAGE, topic)
    with pytest.raises(DdsError, match="cannot serialize a sensor_msgs/msg/Image"):
        publisher.publish(make(types, STRING, text("")))


def test_an_unknown_type_or_an_invalid_name_is_refused(node: DdsNode) -> None:
    with pytest.raises(DdsError, match="is unknown in ROS 2 jazzy"):
        node.publisher("std_msgs/String", "/x")
    with pytest.raises(DdsError, match="is not valid"):
        node.subscribe(STRING, "a b", Inbox())


def test_closing_a_node_destroys_its_publishers(domain: int, types: RosTypes) -> None:
    node = DdsNode("brief", types=types, domain_id=domain)
    publisher = node.publisher(STRING, "/brief")
    node.close()
    node.close()
    with pytest.raises(DdsError, match="destroyed"):
        publisher.publish(make(types, STRING, text("")))


def test_a_node_may_be_closed_by_its_own_callback(types: RosTypes) -> None:
    closed = threading.Event()
    node = DdsNode("brief", types=types, domain_id=new_domain())

    def close(_: Any) -> None:
        node.close()
        closed.set()

    publisher = node.publisher(STRING, "/brief")
    node.subscribe(STRING, "/brief", close)
    node.subscribe(STRING, "/other", Inbox())
    wait_until(lambda: publisher.matched)
    publisher.publish(make(types, STRING, text("close")))
    assert closed.wait(20)
    wait_until(lambda: not any(thread is node._participant.dispatcher._thread for thread in threading.enumerate()))


def test_the_domain_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, types: RosTypes) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "211")
    with DdsNode("taihri", types=types) as node:
        assert node.domain_id == 211
    monkeypatch.setenv("ROS_DOMAIN_ID", "many")
    with pytest.raises(DdsError, match="ROS_DOMAIN_ID is 'many'"):
        DdsNode("taihri", types=types)


def test_localhost_nodes_are_discovered_and_nodes_with_discovery_off_are_not(
    domain: int, node: DdsNode, topic: str
) -> None:
    publisher = node.publisher(STRING, topic)
    with (
        Peer(domain, name="isolated", environ={"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"}) as isolated,
        Peer(domain, name="local", environ={"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}) as local,
    ):
        isolated.subscribe(STRING, topic)
        local.subscribe(STRING, topic)
        wait_until(lambda: publisher.matched)
        wait_until(lambda: local.matched(topic))
        assert publisher.matched == 1
        assert isolated.matched(topic) == 0


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def file_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_300_images_leak_no_memory(node: DdsNode, peer: Peer, types: RosTypes, topic: str) -> None:
    received = threading.Semaphore(0)
    stamps: list[int] = []

    def on_image(message: Any) -> None:
        stamps.append(message.header.stamp.sec)
        received.release()

    subscription = node.subscribe(IMAGE, topic, on_image, SENSOR_DATA)
    peer.publisher(IMAGE, topic, SENSOR_DATA)
    wait_until(lambda: peer.matched(topic) and subscription.matched)

    def send_images(first: int, count: int) -> None:
        for number in range(first, first + count):
            peer.publish(topic, image(sec=number))
            received.acquire(timeout=1)

    send_images(0, 50)
    before = resident_mb()
    send_images(50, 250)
    assert resident_mb() - before < 20
    assert len(stamps) > 290
    assert stamps == sorted(stamps)
    assert subscription.malformed == 0


def test_opening_and_closing_nodes_leaks_nothing(types: RosTypes) -> None:
    domain = new_domain()

    def open_use_close() -> None:
        with DdsNode("brief", types=types, domain_id=domain) as node:
            publisher = node.publisher(STRING, "/brief")
            inbox = Inbox()
            node.subscribe(STRING, "/brief", inbox)
            wait_until(lambda: publisher.matched)
            publisher.publish(make(types, STRING, text("x")))
            inbox.get()

    open_use_close()
    threads, files, memory = threading.active_count(), file_descriptors(), resident_mb()
    for _ in range(10):
        open_use_close()
    assert threading.active_count() == threads
    assert file_descriptors() == files
    assert resident_mb() - memory < 20


def test_two_nodes_of_one_process_share_a_domain(types: RosTypes) -> None:
    domain = new_domain()
    inbox = Inbox()
    first = DdsNode("first", types=types, domain_id=domain)
    with DdsNode("second", types=types, domain_id=domain) as second:
        first.close()
        publisher = second.publisher(STRING, "/shared")
        second.subscribe(STRING, "/shared", inbox)
        wait_until(lambda: publisher.matched)
        publisher.publish(make(types, STRING, text("still here")))
        assert inbox.get().data == "still here"


def test_threads_may_publish_subscribe_and_destroy_concurrently(
    node: DdsNode, types: RosTypes, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    errors: list[Exception] = []

    def churn(number: int) -> None:
        try:
            publisher = node.publisher(STRING, f"{topic}/{'abcd'[number]}")
            for _ in range(20):
                subscription = node.subscribe(STRING, publisher.topic, Inbox())
                publisher.publish(make(types, STRING, text("x")))
                subscription.destroy()
            publisher.destroy()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=churn, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert caplog.text == ""
    inbox = Inbox()
    publisher = node.publisher(STRING, topic)
    node.subscribe(STRING, topic, inbox)
    wait_until(lambda: publisher.matched)
    publisher.publish(make(types, STRING, text("alive")))
    assert inbox.get().data == "alive"


def test_a_second_node_of_the_same_name_is_counted_until_it_leaves(node: DdsNode, domain: int, types: RosTypes) -> None:
    assert node.namesakes == 1
    with DdsNode("taihri", "/robot", types=types, domain_id=domain) as second:
        wait_until(lambda: node.namesakes == second.namesakes == 2)
        with DdsNode("taihri", "/elsewhere", types=types, domain_id=domain) as third:
            wait_until(lambda: len(node._nodes) >= 2)
            assert (node.namesakes, third.namesakes) == (2, 1)
    wait_until(lambda: node.namesakes == 1)

"""A ROS 2 node in another process, controlled by tests."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import queue
import time
from typing import TYPE_CHECKING, Any

from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsPublication, BuiltinTopicDcpsSubscription
from cyclonedds.domain import DomainParticipant
from cyclonedds.util import duration

from taihri_ros.node.dds_host import DEFAULT, DdsNode, Publisher, QoS, RosTypes, Subscription
from taihri_ros.resources import share_directory

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from types import TracebackType

TIMEOUT = 20.0
"""Longest wait for an expected event, seconds."""


def wait_until(condition: Callable[[], Any], timeout: float = TIMEOUT) -> Any:
    """Wait until a condition is true and return its value; fail after the timeout."""
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.002)
    return result


class Inbox:
    """A queue of the messages that a subscription receives."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Any] = queue.Queue()

    def __call__(self, message: Any) -> None:
        self._queue.put(message)

    def get(self, timeout: float = TIMEOUT) -> Any:
        """Return the next message."""
        return self._queue.get(timeout=timeout)

    def empty(self) -> bool:
        """Check whether the queue is empty."""
        return self._queue.empty()


def make(types: RosTypes, msg_type: str, fields: dict[str, Any]) -> Any:
    """Return a message from plain values, nested as in `dataclasses.asdict`."""
    cls = types.message(msg_type)
    values = {}
    for name, desc in types.store.fielddefs[msg_type][1]:
        value = fields[name]
        if isinstance(desc[1], str):
            value = make(types, desc[1], value)
        elif isinstance(desc[1][0], tuple) and isinstance(desc[1][0][1], str):
            element = desc[1][0][1]
            value = [make(types, element, each) for each in value]
        values[name] = value
    return cls(**values)


def plain(message: Any) -> dict[str, Any]:
    """Return a message as plain values, without its constants."""
    return _fields_only(dataclasses.asdict(message))


def _fields_only(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _fields_only(each) for key, each in value.items() if key != "__msgtype__" and not key.isupper()}
    return [_fields_only(each) for each in value] if isinstance(value, list) else value


class PeerNode:
    """The node in the other process; its methods are called through `Peer`."""

    def __init__(self, name: str, domain: int) -> None:
        self.types = RosTypes("jazzy", share_directory())
        self.node = DdsNode(name, types=self.types, domain_id=domain)
        self.observer = DomainParticipant(domain)
        self.publishers: dict[str, Publisher] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.inboxes: dict[str, Inbox] = {}

    def publisher(self, msg_type: str, topic: str, qos: QoS = DEFAULT) -> None:
        self.publishers[topic] = self.node.publisher(msg_type, topic, qos)

    def publish(self, topic: str, fields: dict[str, Any], count: int = 1) -> None:
        publisher = self.publishers[topic]
        message = make(self.types, publisher.msg_type, fields)
        for _ in range(count):
            publisher.publish(message)

    def publish_cdr(self, topic: str, cdr: bytes) -> None:
        self.publishers[topic].publish_cdr(bytearray(cdr))

    def subscribe(self, msg_type: str, topic: str, qos: QoS = DEFAULT) -> None:
        self.inboxes[topic] = Inbox()
        self.subscriptions[topic] = self.node.subscribe(msg_type, topic, self.inboxes[topic], qos)

    def receive(self, topic: str) -> dict[str, Any]:
        return plain(self.inboxes[topic].get())

    def matched(self, topic: str) -> int:
        return (self.publishers.get(topic) or self.subscriptions[topic]).matched

    def writers_acknowledged(self, topic: str) -> bool:
        writer = self.publishers[topic]._dds
        return writer._wait_for_acks(writer._ref, duration(seconds=TIMEOUT)) == 0

    def incompatible_qos(self, topic: str) -> str | None:
        return (self.publishers.get(topic) or self.subscriptions[topic]).incompatible_qos

    def writers(self, topic: str) -> list[dict[str, Any]]:
        return self._endpoints(BuiltinTopicDcpsPublication, topic)

    def readers(self, topic: str) -> list[dict[str, Any]]:
        return self._endpoints(BuiltinTopicDcpsSubscription, topic)

    def _endpoints(self, builtin: Any, topic: str) -> list[dict[str, Any]]:
        """Return the discovered endpoints of a topic, read with the DDS binding only."""
        own = self.node._participant.gid
        found = BuiltinDataReader(self.observer, builtin).read(100)
        return [
            {
                "gid": endpoint.key.bytes,
                "type_name": endpoint.type_name,
                "type_id": endpoint.type_id is not None,
                "qos": endpoint.qos.asdict(),
            }
            for endpoint in found
            if endpoint.topic_name == topic and endpoint.participant_key.bytes != own
        ]

    def destroy(self, topic: str) -> None:
        """Destroy all publishers of a topic."""
        del self.publishers[topic]
        for endpoint in tuple(self.node._endpoints):
            if isinstance(endpoint, Publisher) and endpoint.topic == topic:
                endpoint.destroy()

    def close(self) -> None:
        self.node.close()


def _serve(pipe: Connection, environ: dict[str, str], name: str, domain: int) -> None:
    """Call the methods of a `PeerNode` that are requested through the pipe, until `close`."""
    os.environ.update(environ)
    peer = PeerNode(name, domain)
    pipe.send(None)
    while True:
        method, args, kwargs = pipe.recv()
        try:
            pipe.send(getattr(peer, method)(*args, **kwargs))
        except Exception as error:
            pipe.send(error)
        if method == "close":
            return


class Peer:
    """A proxy of a `PeerNode` in another process: it has all of its methods."""

    def __init__(self, domain: int, *, name: str = "peer", environ: dict[str, str] | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, remote_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(remote_end, environ or {}, name, domain), daemon=True)
        self._process.start()
        remote_end.close()
        self._pipe.recv()

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._pipe.send((method, args, kwargs))
            result = self._pipe.recv()
            if isinstance(result, Exception):
                raise result
            return result

        return call

    def kill(self) -> None:
        """Kill the process without closing the node."""
        self._process.kill()
        self._process.join()

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.is_alive():
            self._pipe.send(("close", (), {}))
            self._process.join(TIMEOUT)
        if self._process.is_alive():
            self.kill()
        self._pipe.close()

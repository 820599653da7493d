"""The signals that end a node."""

from __future__ import annotations

import os
import signal
from threading import Event

import pytest

from taihri_ros.node.stop_event import ignore_signals, set_by_signals


@pytest.mark.usefixtures("default_signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_sets_the_event(number: signal.Signals) -> None:
    stop = set_by_signals(Event())
    os.kill(os.getpid(), number)
    assert stop.wait(10)


@pytest.mark.usefixtures("default_signals")
def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop = set_by_signals(Event())
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGHUP)
    assert not stop.is_set()


@pytest.mark.usefixtures("default_signals")
def test_at_the_end_no_signal_counts() -> None:
    stop = set_by_signals(Event())
    ignore_signals()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(os.getpid(), number)
    assert not stop.is_set()

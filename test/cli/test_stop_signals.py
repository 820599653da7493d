"""Signals stop a subcommand once, outside of what must be finished."""

from __future__ import annotations

import os
import signal

import pytest

from taihri_ros.cli.stop_signals import StopRequested, StopSignals

pytestmark = pytest.mark.usefixtures("default_signals")

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@SIGNALS
def test_a_signal_stops_with_its_name_and_the_status_of_a_shell(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(StopRequested) as raised, StopSignals():
        send(number)
    assert str(raised.value) == number.name
    assert raised.value.status == 128 + number
    assert signal.getsignal(number) == before


def test_a_signal_waits_for_what_must_be_finished() -> None:
    finished = []

    def work(signals: StopSignals) -> None:
        with signals.deferred():
            with signals.deferred():
                send(signal.SIGTERM)
            finished.append(1)
        finished.append(2)

    with StopSignals() as signals, pytest.raises(StopRequested):
        work(signals)
    assert finished == [1]


def test_only_the_first_signal_stops() -> None:
    with StopSignals() as signals:
        with pytest.raises(StopRequested, match="SIGTERM"):
            send(signal.SIGTERM)
        send(signal.SIGINT)
        send(signal.SIGTERM)
        with signals.deferred():
            send(signal.SIGHUP)


def test_an_error_in_what_must_be_finished_is_not_hidden() -> None:
    def fail(signals: StopSignals) -> None:
        with signals.deferred():
            send(signal.SIGTERM)
            raise OSError("full")

    with StopSignals() as signals, pytest.raises(OSError, match="full"):
        fail(signals)


@pytest.mark.handles("Bags", "SIGHUP under nohup, SIGINT in a background job of a script", "ignored, as they ask")
@SIGNALS
def test_an_ignored_signal_stays_ignored(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    with StopSignals():
        send(number)
    assert signal.getsignal(number) is signal.SIG_IGN

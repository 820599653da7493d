from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import numpy as np
import pytest
import rerun as rr
import seen_page
from camera_messages import HEIGHT, WIDTH, camera_info, image
from numpy.typing import NDArray
from required import require
from viewed_person import STAMP, person_message, wrist

from taihri_ros.errors import TaihriError
from taihri_ros.node import topics
from taihri_ros.viewer.live import LiveRecording
from taihri_ros.viewer.page import PERMISSIONS, RECORDING, FileSource, Page
from taihri_ros.viewer.recordings import written_recording
from taihri_ros.viewer.scene import Scene

MAGENTA = (255, 0, 255)
_SHOWN = 0.03
"""Share of the window that the magenta picture fills at least."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of one magenta picture with a person."""
    path = tmp_path_factory.mktemp("page") / "magenta.rrd"
    with written_recording(path) as stream:
        scene = Scene(stream)
        scene.receive(topics.CAMERA_INFO, camera_info(STAMP))
        scene.receive(topics.IMAGE, image(STAMP, data=np.tile(np.array(MAGENTA, np.uint8), WIDTH * HEIGHT)))
        scene.receive(topics.PERSON, person_message(wrist()))
    return path


@pytest.fixture(scope="module")
def page(recording: Path) -> Iterator[Page]:
    with Page(FileSource(recording)) as opened:
        yield opened


def test_the_page_may_connect_to_its_own_host_only(page: Page, recording: Path) -> None:
    with urlopen(page.url) as answer:
        content = answer.read()
        assert answer.headers["Content-Security-Policy"] == PERMISSIONS
        assert answer.url == f"{page.url}?url={page.url.rstrip('/')}{RECORDING}"
    assert "connect-src 'self' data: blob:" in PERMISSIONS
    assert "http" not in PERMISSIONS
    assert b"re_viewer" in content
    assert b"fonts.g" not in content
    with urlopen(page.url.rstrip("/") + RECORDING) as answer:
        assert answer.read() == recording.read_bytes()
    with pytest.raises(HTTPError, match="404"):
        urlopen(page.url + "etc/passwd")


def test_a_port_that_is_in_use_is_named(page: Page, recording: Path) -> None:
    port = urlsplit(page.url).port
    assert port is not None
    with pytest.raises(TaihriError, match=f"cannot listen on 127.0.0.1:{port}: .* choose another --host or --port"):
        Page(FileSource(recording), port=port)


@pytest.mark.parametrize("content", [b"", b"hello"])
def test_what_is_no_recording_is_refused_before_a_browser_shows_nothing(content: bytes, tmp_path: Path) -> None:
    odd = tmp_path / "odd.rrd"
    odd.write_bytes(content)
    with pytest.raises(
        TaihriError, match=r"odd\.rrd is not a recording of Rerun: make one with taihri view BAG --save"
    ):
        FileSource(odd)
    with pytest.raises(TaihriError, match="cannot be read: Is a directory"):
        FileSource(tmp_path)


def test_the_browser_shows_the_picture_without_any_other_host(page: Page) -> None:
    require(seen_page.PROGRAM, "a browser", "apt-get install chromium")
    require(seen_page.HAS_PLAYWRIGHT, "playwright", "pip install playwright")
    asked: list[str] = []
    with seen_page.window(640, 480) as opened:
        opened.on("request", lambda request: asked.append(request.url))
        opened.goto(page.url)
        shares = map(magenta_share, seen_page.looks(opened))
        assert any(share > _SHOWN for share in shares), "the picture is not shown"
    assert {urlsplit(url).hostname for url in asked} == {"127.0.0.1"}
    assert any(url.endswith(RECORDING) and "?" not in url for url in asked)


def magenta_share(seen: NDArray[np.uint8]) -> float:
    """Return the share of magenta pixels in a picture (height, width, 3) uint8 RGB."""
    return float((np.abs(seen.astype(int) - MAGENTA).max(axis=-1) < 40).mean())


def test_a_page_that_is_opened_late_receives_the_beginning_and_the_newest() -> None:
    noise = random.Random(1)
    # The stream is compressed: letters that its own names and hexadecimal numbers lack keep the marks whole.
    words = ["".join(noise.choices("GHIJKLMNOPQRSTUVWXYZ", k=3000)) for _ in range(40)]
    marks = [word[:24].encode() for word in words]
    stream = rr.RecordingStream("taihri_test")
    stream.log("beginning", rr.TextLog(words[0]), static=True)
    with LiveRecording(stream, limit_bytes=20_000) as live:
        live.start()
        early = live.chunks()
        received = next(early)
        assert marks[0] in received
        for number, word in enumerate(words[1:], 1):
            stream.set_time("time", timestamp=np.datetime64(number, "ns"))
            stream.log("noise", rr.TextLog(word))
            while marks[number] not in received:
                received = next(early)
        late = live.chunks()
        kept = next(late) + next(late)
    assert [number for number, mark in enumerate(marks) if mark in kept][:1] == [0]
    assert marks[39] in kept
    assert marks[5] not in kept
    assert len(kept) < 60_000
    assert list(early) == []

"""The page of `taihri view` in a headless browser that reaches no other host, and its picture for the documentation.

`python test/viewer/seen_page.py RECORDING PICTURE` writes what the page shows of a recording at its end, once every
part of it is decoded.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LONGEST_LOOK_S = 240.0
_LOOK_S = 2.0
_EQUAL_LOOKS, _COLORS = 2, 10_000
"""How often in a row a look sees what the one before saw, when all is decoded: where something is missing, Rerun shows
moving dots. And how many colours it sees at least: an empty page has a thousand."""

SIZE, FOLLOW = (1280, 800), (54, 786)
"""Size of the window in the documentation, and place of Rerun's button that shows the newest moment, px."""

_DRAWN_BY_CPU = ("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
_NO_OTHER_HOST = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""The browser on this machine; None if there is none."""

HAS_PLAYWRIGHT = importlib.util.find_spec("playwright") is not None


@contextmanager
def window(width: int, height: int) -> Iterator[Any]:
    """Open a window of the browser, a page of playwright."""
    from playwright import sync_api

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=[*_DRAWN_BY_CPU, _NO_OTHER_HOST])
        yield browser.new_page(viewport={"width": width, "height": height})
        browser.close()


def looks(opened: Any) -> Iterator[NDArray[np.uint8]]:
    """Yield what a window shows, (height, width, 3) uint8 RGB, every two seconds for some minutes at most."""
    pause = threading.Event()
    for _ in range(round(LONGEST_LOOK_S / _LOOK_S)):
        pause.wait(_LOOK_S)
        png = np.frombuffer(opened.screenshot(timeout=1e3 * LONGEST_LOOK_S), np.uint8)
        yield np.asarray(cv2.cvtColor(cv2.imdecode(png, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)


def main(recording: Path, picture: Path) -> None:
    """Write what the page shows of a recording at its end, once it has stopped changing."""
    from taihri_ros.viewer.page import FileSource, Page

    with Page(FileSource(recording)) as page, window(*SIZE) as opened:
        opened.goto(page.url)
        before, equal = None, 0
        for seen in looks(opened):
            opened.mouse.click(*FOLLOW)  # again and again: the recording is still being loaded
            equal = equal + 1 if before is not None and np.array_equal(seen, before) else 0
            if equal == _EQUAL_LOOKS and len(np.unique(seen.reshape(-1, 3), axis=0)) > _COLORS:
                break
            before = seen
        else:
            sys.exit("the page has not stopped changing")
    cv2.imwrite(str(picture), cv2.cvtColor(seen, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

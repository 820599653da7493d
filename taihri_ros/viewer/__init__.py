"""Shows in a browser what the robot sees and what the node makes of it, with Rerun, without any other host.

- `blueprint`: which part of the window shows what;
- `scene`: one message after the other, in any order, to what Rerun shows; `person_drawing` has a person in every part
  of the window, `drawing` joints, bones and ellipsoids, `pictures` images;
- `words` has the command and its joints as text;
- `sources`: where messages come from, a running node or a recorded bag;
- `recordings` and `live`: where they go, a file or memory;
- `page`: the web page of Rerun's viewer, which may connect to this machine only.
"""

from __future__ import annotations

from taihri_ros.errors import TaihriError, install_extra

try:
    import rerun  # noqa: F401
except ImportError as problem:
    raise TaihriError(
        f"the viewer is not installed: {install_extra('embedded,viewer')}; where the robot's Python has NumPy 1, in a "
        "virtual environment of its own"
    ) from problem

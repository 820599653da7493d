"""The layout of the viewer's window, and the paths of what it shows."""

from __future__ import annotations

from typing import Any

import rerun.blueprint as rrb

CAMERA = "world/camera"
"""The camera, which is the origin of `world`; entities below it are in pixels."""

PICTURE, DEPTH = f"{CAMERA}/picture", f"{CAMERA}/depth"
PERSON = "person"
"""The person, cut out of the picture."""

TIMELINE = "time"
"""The timeline: stamps of images, and of what is known about them."""

COMMAND, LOG = "command", "log"
LATENCY, CONFIDENCE, FRAMES = "latency", "confidence", "frames"

_CURVE_S = 60.0
"""Time that the curves show, seconds."""


def blueprint(*, live: bool = False) -> rrb.Blueprint:
    """Return the layout: on the left the picture, the words and the person, on the right space, curves and log.

    Args:
        live: Whether the newest message is shown, rather than the recording from its beginning, over and over.
    """
    seen = rrb.Vertical(
        rrb.Spatial2DView(origin=CAMERA, contents=[f"{CAMERA}/**", f"- {DEPTH}"], name="What the robot sees"),
        rrb.Horizontal(
            rrb.TextDocumentView(origin=COMMAND, name="The command and its joints"),
            rrb.Spatial2DView(origin=PERSON, name="The person"),
            column_shares=[5, 4],
        ),
        row_shares=[3, 2],
    )
    curves = rrb.Horizontal(
        _curves(CONFIDENCE, "Confidence", axis_y=rrb.ScalarAxis(range=(0.0, 1.0))), _curves(LATENCY, "Latency, ms")
    )
    events = rrb.Tabs(
        rrb.TextLogView(origin=LOG, name="Log", columns=rrb.TextLogColumns(text_log_columns=["LogLevel", "Body"])),
        _curves(FRAMES, "Frames since the start: answered, or dropped and why"),
    )
    known = rrb.Vertical(
        rrb.Spatial3DView(
            origin="world",
            contents=["world/**", f"- {CAMERA}/person/**", f"- {CAMERA}/people"],
            name="In metres: the camera, the joints and how sure they are",
            eye_controls=rrb.EyeControls3D(
                position=(1.3, -0.7, -0.7), look_target=(0.0, 0.1, 0.9), eye_up=(0.0, -1.0, 0.0)
            ),
        ),
        curves,
        events,
        row_shares=[7, 4, 3],
    )
    return rrb.Blueprint(
        rrb.Horizontal(seen, known, column_shares=[4, 5]),
        rrb.BlueprintPanel(state="hidden"),
        rrb.SelectionPanel(state="hidden"),
        rrb.TimePanel(
            state="collapsed",
            timeline=TIMELINE,
            play_state="following" if live else "playing",
            loop_mode="off" if live else "all",
        ),
    )


def _curves(origin: str, name: str, **options: Any) -> rrb.TimeSeriesView:
    """Return a view of the newest part of curves, their names on its left."""
    newest = rrb.VisibleTimeRange(
        TIMELINE,
        start=rrb.TimeRangeBoundary.cursor_relative(seconds=-_CURVE_S),
        end=rrb.TimeRangeBoundary.cursor_relative(),
    )
    legend = rrb.PlotLegend(rrb.Corner2D.LeftTop)
    return rrb.TimeSeriesView(origin=origin, name=name, plot_legend=legend, time_ranges=newest, **options)

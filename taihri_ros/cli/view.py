"""`taihri view`: show in a browser what the robot sees and what the node makes of it."""

from __future__ import annotations

import sys
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from taihri_ros.cli.bag_options import bag_options
from taihri_ros.cli.node_options import node_options, node_parameters
from taihri_ros.errors import TaihriError
from taihri_ros.node.stop_event import set_by_signals
from taihri_ros.node.topics import NODE_NAME

if TYPE_CHECKING:
    from taihri_ros.viewer.page import Source
    from taihri_ros.viewer.scene import Scene
    from taihri_ros.viewer.sources import BagSource, LiveSource

    Show = Callable[[Source], AbstractContextManager[None]]


@click.command("view")
@click.argument("shown_paths", metavar="[RRD | BAG...]", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Write an .rrd file instead of showing.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the page; 0.0.0.0 for all networks.")
@click.option("--port", type=click.IntRange(0, 65535), default=9090, show_default=True, help="TCP port; 0 for any.")
@click.option("--browser/--no-browser", default=True, help="Whether to open the page here.")
@node_options
@bag_options
def command(
    *,
    shown_paths: tuple[Path, ...],
    save: Path | None,
    host: str,
    port: int,
    browser: bool,
    params_file: tuple[Path, ...],
    param: tuple[str, ...],
    remap: tuple[str, ...],
    inputs: dict[str, str],
    distro: str,
    chosen: dict[str, Any],
) -> None:
    """Show the picture, the joints in metres with their uncertainty, the command, latencies and drops in a browser.

    Without an argument, it shows a running node; give it the parameters and remapping rules of that node. It shows
    recordings as well: an .rrd file, or bags, such as that of a camera and that with the answers of `taihri bag`. The
    page needs no other host: it works offline, and the browser may not connect to any other.

    \b
    Examples:
      taihri view
      taihri view -r image:=/camera/image_raw -r camera_info:=/camera/camera_info
      taihri view out/demo/demo.rrd
      taihri view recording answers --save answers.rrd
    """
    from taihri_ros.node.dds_host import node_identity, resolve
    from taihri_ros.viewer import page, recordings, scene, sources

    if save is not None:
        recordings.check_name(save)
    has_recording = any(path.suffix == recordings.ENDING for path in shown_paths)
    if has_recording and len(shown_paths) > 1:
        raise click.UsageError(f"show one {recordings.ENDING} file at a time, and without bags")
    if save is None:
        page.check_address(host, port)
    parameters = node_parameters(params_file, param, remap, chosen)
    new_scene = partial(
        scene.Scene, node=resolve("~", *node_identity(NODE_NAME, remaps=remap)), rectified=parameters.rectified
    )
    stop = set_by_signals(Event())
    show = partial(_shown, host=host, port=port, browser=browser)
    if has_recording:
        if save is not None:
            raise TaihriError(f"{shown_paths[0]} is a recording of Rerun already: leave out --save")
        with show(page.FileSource(shown_paths[0])):
            stop.wait()
    elif shown_paths:
        with sources.BagSource(shown_paths, parameters, inputs=inputs, remaps=remap, distro=distro) as bags:
            _show_bags(bags, new_scene, save, show, stop)
    else:
        make_source = partial(sources.LiveSource, parameters=parameters, distro=distro, remaps=remap)
        _show_node(make_source, new_scene, save, show, stop)
    if save is not None:
        click.echo(f"wrote {save}: look at it with taihri view {save}")


@contextmanager
def _shown(source: Source, *, host: str, port: int, browser: bool) -> Iterator[None]:
    """Show a page with a recording while the context lasts."""
    from taihri_ros.viewer import page

    with page.Page(source, host=host, port=port) as opened:
        click.echo(f"the viewer is at {opened.url} (end with Ctrl-C)")
        if browser:
            webbrowser.open(opened.url)
        yield


def _show_bags(bags: BagSource, new_scene: Callable[..., Scene], save: Path | None, show: Show, stop: Event) -> None:
    """Write bags as one recording, and show that until a signal unless it is saved."""
    from taihri_ros.viewer import page, recordings

    with ExitStack() as stack:
        target = save or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="taihri-view-")), "bags.rrd")
        with recordings.written_recording(target) as stream:
            _play(bags, new_scene(stream), stop)
        for problem in bags.problems:
            click.echo(f"note: {problem}", err=True)
        if save is None and not stop.is_set():
            with show(page.FileSource(target)):
                stop.wait()


def _show_node(
    make_source: Callable[[Scene], LiveSource],
    new_scene: Callable[..., Scene],
    save: Path | None,
    show: Show,
    stop: Event,
) -> None:
    """Show or save what a running node publishes, until a signal."""
    from taihri_ros.viewer import live, recordings

    if save is not None:
        with recordings.written_recording(save) as stream:
            click.echo(f"recording {save} (end with Ctrl-C)")
            with make_source(new_scene(stream, live=False)) as source:
                source.run(stop)
        return
    stream = recordings.live_stream()
    with live.LiveRecording(stream) as recording, make_source(new_scene(stream, live=True)) as source:
        recording.start()
        with show(recording):
            source.run(stop)


def _play(bags: BagSource, scene: Scene, stop: Event) -> None:
    """Show the messages of bags, until a signal."""
    with click.progressbar(length=bags.messages, label="messages", file=sys.stderr) as bar:
        for _ in bags.play(scene):
            bar.update(1)
            if stop.is_set():
                return

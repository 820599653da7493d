"""Written bags are readable at the end, also on a full disk and after the process was killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bag_files import read_bag, storage_file
from camera_messages import FRAME_ID, TYPES, header
from required import ROOT, require

from taihri_ros.node.messages import stamp_ns
from taihri_ros.node.recordings.bag_writer import BagWriter
from taihri_ros.node.recordings.errors import BagError
from taihri_ros.node.recordings.recording import Recording

POSES = "geometry_msgs/msg/PoseArray"
TOPICS = {"/taihri/keypoints": POSES, "/other": "std_msgs/msg/String"}
STORAGES = pytest.mark.parametrize("storage", ["sqlite3", "mcap"])


def write_pairs(writer: BagWriter, count: int, first: int = 0) -> None:
    """Write pairs of messages with the stamps first, first + 1, ..."""
    text = TYPES.message("std_msgs/msg/String")(data="x" * 2000)
    for stamp in range(first, first + count):
        poses = TYPES.message(POSES)(header=header(stamp), poses=[])
        writer.write(1000 + stamp, [("/taihri/keypoints", poses), ("/other", text)])


def stamps(bag: Path) -> list[int]:
    """Return the stamps of the poses, read with rosbags; every pair must be whole."""
    found = read_bag(bag)
    assert len(found["/other"]) == len(found["/taihri/keypoints"])
    assert [recorded for recorded, _ in found["/other"]] == [recorded for recorded, _ in found["/taihri/keypoints"]]
    return [stamp_ns(message.header) for _, message in found["/taihri/keypoints"]]


@STORAGES
@pytest.mark.parametrize("count", [0, 1, 300])
def test_messages_are_read_by_rosbags(tmp_path: Path, storage: str, count: int) -> None:
    writer = BagWriter(tmp_path / "out", TOPICS, TYPES.store, storage=storage)
    write_pairs(writer, count)
    writer.close()
    assert stamps(tmp_path / "out") == list(range(count))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        ["metadata.yaml", "out.mcap" if storage == "mcap" else "out.db3"]
    )
    with Recording(tmp_path / "out") as recording:
        assert len(recording.index(recording.channels)) == 2 * count
        assert recording.problems == []


def test_frames_and_late_times_are_kept(tmp_path: Path) -> None:
    for storage in ("sqlite3", "mcap"):
        writer = BagWriter(tmp_path / storage, TOPICS, TYPES.store, storage=storage)
        poses = TYPES.message(POSES)(header=header(5), poses=[])
        for recorded in (2**64 - 1, -7, 2**62):
            writer.write(recorded, [("/taihri/keypoints", poses)])
        writer.close()
        found = read_bag(tmp_path / storage)["/taihri/keypoints"]
        assert [recorded for recorded, _ in found] == [0, 2**62, 2**63 - 1]
        assert {message.header.frame_id for _, message in found} == {FRAME_ID}


@pytest.mark.handles("Bags", "output whose name has blanks or characters of a URI", "written")
@STORAGES
@pytest.mark.parametrize("name", ["my bag", "50%25?mode=ro#x", "Küche"])
def test_any_name_is_written(tmp_path: Path, storage: str, name: str) -> None:
    writer = BagWriter(tmp_path / "new" / name, TOPICS, TYPES.store, storage=storage)
    write_pairs(writer, 3)
    writer.close()
    assert storage_file(tmp_path / "new" / name).stem == name
    with Recording(tmp_path / "new" / name) as recording:
        assert len(recording.index(recording.channels)) == 6


@pytest.mark.handles("Bags", "output that exists or cannot be created", "refused; nothing is changed")
@STORAGES
def test_a_bag_that_cannot_be_created_leaves_nothing(tmp_path: Path, storage: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BagError, match=r"cannot write .*/file/new/out: Not a directory"):
        BagWriter(tmp_path / "file" / "new" / "out", TOPICS, TYPES.store, storage=storage)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").touch()
    with pytest.raises(BagError, match=r"there already exists: choose another name, or remove it"):
        BagWriter(tmp_path / "there", TOPICS, TYPES.store, storage=storage)
    assert {path.name for path in tmp_path.rglob("*")} == {"file", "there", "mine"}


WRITE_UNTIL_FULL = """
import resource, sys
from pathlib import Path
from test_bag_writer import TOPICS, write_pairs
from camera_messages import TYPES
from taihri_ros.node.recordings.bag_writer import BagWriter
from taihri_ros.node.recordings.errors import BagError

path, storage, limit = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
count, error = 0, "no error"
writer = BagWriter(Path(path), TOPICS, TYPES.store, storage=storage)
try:
    for count in range(5000):
        write_pairs(writer, 1, count)
except BagError as raised:
    error = raised
writer.close()
print(count)
print(error)
"""
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "test"), str(Path(__file__).parent)])}


@pytest.mark.handles(
    "Bags", "full disk, quota or limit of the file size", "the answers so far are readable, and one line says so"
)
@STORAGES
@pytest.mark.parametrize("full", ["limit of the file size", "small file system"])
def test_a_full_disk_loses_no_accepted_message(tmp_path: Path, storage: str, full: str) -> None:
    kept, disk = tmp_path / "kept", tmp_path / "disk"
    disk.mkdir()
    if full == "small file system":
        usable = shutil.which("unshare") and subprocess.run(
            ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", disk],
            capture_output=True, check=False,
        ).returncode == 0  # fmt: skip
        require(usable, "a file system of its own", "install util-linux, and allow user namespaces")
        script = f'mount -t tmpfs -o size=2m tmpfs "{disk}" && "$@" && cp -r "{disk}/out" "{kept}"'
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
        command += [sys.executable, "-c", WRITE_UNTIL_FULL, str(disk / "out"), storage, "0"]
        reasons = ("No space left on device", "database or disk is full")
    else:
        command, kept = [sys.executable, "-c", WRITE_UNTIL_FULL, str(disk / "out"), storage, "1500000"], disk / "out"
        reasons = ("File too large", "disk I/O error")
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT, timeout=120)
    assert done.returncode == 0, done.stderr
    count, error = done.stdout.splitlines()
    assert error in [f"cannot write {disk / 'out'}: {reason}; the answers before this are in it" for reason in reasons]
    assert int(count) > 300
    assert stamps(kept) == list(range(int(count)))


WRITE_AND_WAIT = """
import sys, time
from pathlib import Path
from test_bag_writer import TOPICS, write_pairs
from camera_messages import TYPES
from taihri_ros.node.recordings.bag_writer import BagWriter

writer = BagWriter(Path(sys.argv[1]), TOPICS, TYPES.store, storage=sys.argv[2])
write_pairs(writer, 200)
print("written", flush=True)
time.sleep(60)
"""


@STORAGES
def test_the_bag_of_a_killed_process_is_readable(tmp_path: Path, storage: str) -> None:
    command = [sys.executable, "-c", WRITE_AND_WAIT, str(tmp_path / "out"), storage]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
    with Recording(tmp_path / "out") as recording:
        count = len(recording.index(recording.channels))
    assert count == 400 if storage == "sqlite3" else 300 < count <= 400

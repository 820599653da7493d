"""The target frame of the published poses, looked up in TF at the image's stamp."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode
from rclpy.time import Time
from tf2_ros import Buffer, ConnectivityException, ExtrapolationException, TransformException, TransformListener

from taihri_ros.errors import TaihriError
from taihri_ros.node.messages import Placement, tf_frame

_TIMEOUT_S = 0.2

_JUMP_NS = 1_000_000_000
"""Step back of the images' stamps from which on another run of a simulation or of a recording has begun, ns."""


class PlacementError(TaihriError):
    """The poses cannot be transformed into the target frame."""


class TargetFrame:
    """Lookup of transforms from a camera to the target frame. Use it as a context manager, or call `close`."""

    def __init__(self, node: LifecycleNode, frame_id: str) -> None:
        """Listen to TF.

        Args:
            node: The node; its executor must not be the thread that calls `placement`.
            frame_id: The target frame.
        """
        self._frame_id = tf_frame(frame_id)
        self._buffer = Buffer()
        self._listener = TransformListener(self._buffer, node)
        self._newest_ns = 0

    def placement(self, frame_id: str, stamp_ns: int) -> Placement:
        """Look up the transform at a stamp.

        Args:
            frame_id: The camera's frame.
            stamp_ns: The image's stamp in nanoseconds.

        Returns:
            The transform from the camera's frame into the target frame.

        Raises:
            PlacementError: TF has no transform for the stamp and receives none within 0.2 s, or the image has no
                frame_id or a stamp before 1970.
        """
        if not tf_frame(frame_id):
            raise PlacementError(
                f"an image without a frame_id has no place in target_frame {self._frame_id!r}: set the frame_id in the "
                "camera driver"
            )
        if stamp_ns < 0:
            raise PlacementError("TF has no transforms before 1970, the stamp of the image: correct the camera's clock")
        self._forget_after(stamp_ns)
        try:
            found = self._buffer.lookup_transform(
                self._frame_id, tf_frame(frame_id), Time(nanoseconds=stamp_ns), Duration(seconds=_TIMEOUT_S)
            ).transform
        except TransformException as error:
            raise PlacementError(
                f"TF has no transform from {frame_id!r} to target_frame {self._frame_id!r} at the image's stamp: "
                f"{_reason(error)}"
            ) from error
        offset, rotation = found.translation, found.rotation
        return Placement(
            self._frame_id,
            _rotation_matrix(rotation.x, rotation.y, rotation.z, rotation.w),
            np.array([offset.x, offset.y, offset.z]),
        )

    def _forget_after(self, stamp_ns: int) -> None:
        """Forget the transforms of a run that is over: tf2 refuses new ones that are 10 s older than those it has."""
        if stamp_ns < self._newest_ns - _JUMP_NS:
            self._buffer.clear()  # static transforms stay
            self._newest_ns = stamp_ns
        self._newest_ns = max(self._newest_ns, stamp_ns)

    def close(self) -> None:
        """Stop listening."""
        self._listener.unregister()

    def __enter__(self) -> TargetFrame:
        """Return the target frame itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self.close()


def _reason(error: TransformException) -> str:
    """Return the problem and its solution, as a text without frame names."""
    match error:
        case ExtrapolationException():
            return "its data are older or newer; compare the clocks of the camera and of the TF publisher"
        case ConnectivityException():
            return "the two frames are not connected; start the publisher of the transforms between them"
    return "a frame is unknown; check both names, and that robot_state_publisher runs"


def _rotation_matrix(x: float, y: float, z: float, w: float) -> NDArray[np.float64]:
    """Return the (3, 3) rotation matrix of a unit quaternion."""
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )

"""The definitions of hri_msgs 2 (Humble and newer) that the node publishes, which rosbags' typestores lack.

They have the fields of https://github.com/ros4hri/hri_msgs, so that type hashes agree.
"""

from __future__ import annotations

DEFINITIONS = {
    "hri_msgs/msg/IdsList": "std_msgs/Header header\nstring[] ids",
    "hri_msgs/msg/NormalizedRegionOfInterest2D": (
        "std_msgs/Header header\nfloat32 xmin\nfloat32 ymin\nfloat32 xmax\nfloat32 ymax\nfloat32 c"
    ),
    "hri_msgs/msg/NormalizedPointOfInterest2D": "float32 x\nfloat32 y\nfloat32 c",
    "hri_msgs/msg/Skeleton2D": "std_msgs/Header header\nhri_msgs/NormalizedPointOfInterest2D[18] skeleton",
}
"""The fields of each message."""

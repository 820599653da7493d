"""The definitions of messages about speech, which rosbags' typestores lack.

They have the fields of the published definitions, so that type hashes agree:

- hri_msgs 2, https://github.com/ros4hri/hri_msgs, branch humble-devel (Apache-2.0);
- whisper_msgs, https://github.com/mgonzs13/whisper_ros at e7494e18 (MIT);
- audio_common_msgs 4, https://github.com/mgonzs13/audio_common at f0767f3c (MIT), and the package of the same name of
  https://github.com/ros-drivers/audio_common at 06c280a7 (BSD), whose AudioData is another message.
"""

from __future__ import annotations

from rosbags.typesys import get_types_from_msg

from taihri_ros.node.dds_host import RosTypes

_SPEECH = {
    "hri_msgs/msg/LiveSpeech": (
        "std_msgs/Header header\nstring incremental\nstring final\nfloat64 confidence\nstring language"
    ),
    "whisper_msgs/msg/Transcription": "string text\nfloat32 audio_time\nfloat32 transcription_time",
}

_AUDIO_COMMON = {
    "audio_common_msgs/msg/AudioData": (
        "float32[] float32_data\nint32[] int32_data\nint16[] int16_data\nint8[] int8_data\nuint8[] uint8_data"
    ),
    "audio_common_msgs/msg/AudioInfo": "int32 format\nint32 channels\nint32 rate\nint32 chunk",
    "audio_common_msgs/msg/Audio": "audio_common_msgs/AudioData audio_data\naudio_common_msgs/AudioInfo info",
    "audio_common_msgs/msg/AudioStamped": "std_msgs/Header header\naudio_common_msgs/Audio audio",
}

_ROS_DRIVERS = {"audio_common_msgs/msg/AudioData": "uint8[] data"}


def register_speech_types(types: RosTypes, *, ros_drivers: bool = False) -> None:
    """Add the messages about speech to the known types.

    Args:
        types: The types of a node.
        ros_drivers: Whether audio_common_msgs is the package of ros-drivers.
    """
    for name, definition in (_SPEECH | (_ROS_DRIVERS if ros_drivers else _AUDIO_COMMON)).items():
        if name not in types.store.types:
            types.store.register(get_types_from_msg(definition, name))

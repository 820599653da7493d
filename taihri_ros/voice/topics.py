"""The name and the topics of the node /taihri_listen for both hosts."""

from __future__ import annotations

from taihri_ros.node.topics import Topic

NODE_NAME = "taihri_listen"
"""Name of the node unless it is remapped; private topics (`~/`) begin with it."""

COMMAND = Topic("/taihri/command", "std_msgs/msg/String")
HEARD = Topic("~/heard", "taihri_ros/msg/HeardSpeech")
QUESTION = Topic("~/question", "std_msgs/msg/String")
OUTPUTS = (COMMAND, HEARD, QUESTION)

PUSH_TO_TALK = Topic("~/push_to_talk", "std_msgs/msg/Bool")
TEXT = Topic("~/text", "std_msgs/msg/String")
LIVE_SPEECH = Topic("~/live_speech", "hri_msgs/msg/LiveSpeech")
TRANSCRIPTION = Topic("~/transcription", "whisper_msgs/msg/Transcription")

AUDIO_STAMPED = Topic("audio", "audio_common_msgs/msg/AudioStamped", reliable=False, depth=50)
"""Audio of audio_common 4, which the ROS distributions have."""
AUDIO_DATA = Topic("audio", "audio_common_msgs/msg/AudioData", reliable=False, depth=50)
"""Raw audio of ros-drivers/audio_common, whose branch ros2 is built from source."""

BRIDGES = {"text": TEXT, "live_speech": LIVE_SPEECH, "transcription": TRANSCRIPTION}
"""Topics with what other recognisers have heard, by the names that the options give them."""

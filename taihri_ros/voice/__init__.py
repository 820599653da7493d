"""Spoken commands: speech from a microphone or a topic, recognised and sent to the node's `~/command`."""

"""Spoken commands: speech from a microphone or a topic, recognised and sent to the node's `~/command`.

- `application`: the node /taihri_listen without its host; `dds_listener`, `ros_listener`: the hosts; `topics`,
  `message_definitions`: its topics, and the types that rosbags lacks;
- `microphone`, `audio`, `audio_messages`: sound as mono int16 at 16 kHz; `utterances`: where speech begins and ends;
- `listener`: from sound, or from text, to commands; `configured_listener`: a listener from its options;
- `recogniser`: the interface of recognition; `sphinx`, `whisper`, `pooled`: the recognisers; `whisper_model`: the model
  that an extra installs;
- `language_model`, `spoken_sentences`, `typical_orders`: what a recogniser is told to expect;
- `stop_spotter`: "stop" while somebody is still speaking;
- `interpretation`: what an utterance asks for; `errors`: the error of this room.
"""

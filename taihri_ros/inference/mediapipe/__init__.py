"""Engine on MediaPipe BlazePose, which finds a real person on any CPU, without a language model.

From a picture to an answer in TAIHRI's tokens:

- `mediapipe_engine`: the engine;
- `blazepose`, `landmarks`: the 33 landmarks of a person in a picture;
- `placement`: where the landmarks are in the camera's frame; `joints`: the 22 joints between them; `joint_errors`: how
  far off these are;
- `person`, `answers`: the joints as distributions over bins, and these as tokens with their log-probabilities.
"""

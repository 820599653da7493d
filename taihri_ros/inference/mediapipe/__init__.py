"""Engine on MediaPipe BlazePose, which finds a real person on any CPU, without a language model."""

"""Labels from recorded depth images: 2D keypoints of an engine and the measured depth give 3D joints."""

"""Cameras: calibration, lens distortion, and the canonical view that is the model's input image.

- `camera`: a calibrated camera; `camera_info`: the fields of its message; `distortion`, `lens_models`: its lens;
  `plausibility`: can there be such a camera;
- `calibration_files`, `calibration_layouts`: calibrations in files of ROS, OpenCV, Kalibr and others;
  `other_calibrations`: those of COLMAP, ZED and tools with a layout of their own;
- `canonical_view`, `view_size`: the picture that the model is shown, and the exact way back;
- `picture_decoder`: every compressed picture, with `jpeg_codec`, `jpeg_structure`, `png_codec`, `opencv_codec`,
  `other_pictures` and `exif` for the formats, `sixteen_bits` for their samples, and `picture_error` for what is
  refused;
- `picture_files`: pictures as files.
"""

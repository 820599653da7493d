"""The ROS 2 node: hosts transport the messages, and everything else is shared between them.

Begin with `application`: every message comes in and goes out there. The two hosts are the folders `ros_host` (rclpy)
and `dds_host` (Cyclone DDS without ROS).

What the node is told:

- `parameters`, `topics`, `node_names`: names, types and defaults for both hosts; `parameter_reference` writes
  docs/parameters.md;
- `parameter_files`, `rcl_yaml`: parameter files without ROS;
- `configured_engine`, `configured_tracker`: the engine and the tracker that the parameters describe;
- `running_command`, `debounce`: the command, also in a flood of them;
- `stop_event`: the signals that end a node.

What comes in:

- `images`, `image_encodings`, `yuv_planes`: sensor_msgs/Image to RGB;
- `compressed_images`: sensor_msgs/CompressedImage to RGB;
- `depth_images`, `compressed_depth`, `rvl`: depth images, and the one that belongs to a colour image;
- `detections`: the people whom a detector found;
- `stamped_messages`: a buffer of recent messages by stamp, for both;
- `header_checks`: stamps and frames that other nodes cannot use.

What goes out:

- `messages`: results as messages; `received_messages` reads them again; `outputs`: what a host does with them;
- `markers`, `overlay`, `ellipsoids`, `colors`: results for people's eyes;
- `body_fits`, `body_output`: bodies; the folder `ros4hri` publishes them for ROS4HRI;
- `diagnostics`, `graph_warnings`, `limited_log`, `unread_log`: what the node says about itself.

Recorded bags: `bags` replays one, `bag_frames` reads its images, `bag_topics` chooses its topics, and the folder
`recordings` reads and writes the files.
"""

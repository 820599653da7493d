"""The rclpy host: the node /taihri as a lifecycle node in a ROS 2 installation.

- `main`, `process`, `launcher`: the process, from its arguments to its end;
- `lifecycle_node`, `transitions`: the node and the transitions of its lifecycle; `bond` for lifecycle managers;
- `inputs`, `outputs`, `target_frame`, `message_classes`: subscriptions, publishers, TF, and the classes of messages;
- `ros_parameters`: the node's parameters as ROS parameters;
- `localize_queries`: the service and the action ~/localize;
- `diagnostic_tasks`, `node_task`, `log`: diagnostics and logging through ROS;
- `rcl_errors`, `service_errors`, `timers`: where rclpy would end the node, leave a client waiting, or stand still.
"""

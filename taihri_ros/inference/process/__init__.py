"""The engine in a separate process: supervisor, guard, server, client and protocol.

In the node's process:

- `supervisor`: starts the engine, checks its health, restarts it; `engine_subprocess` is one life of it;
- `client`: sends requests, each on a `connection`; `engine_output`, `process_activity`: what else can be seen of the
  process;
- `private_directory`: where the socket is; `module_run`: a module of the engine's environment, run once.

In the engine's process:

- `entry`, `program`, `server`, `worker`: from the interpreter's start to the answers; `guard`, a third process, ends it
  when the node is gone.

Between them:

- `protocol`: the messages; `message_stream`, `serialization`, `fields`: their bytes, and the checks of what came;
- `exit_status`: why an engine process could not start.
"""

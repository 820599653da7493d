"""The engine in a separate process: supervisor, guard, server, client and protocol."""

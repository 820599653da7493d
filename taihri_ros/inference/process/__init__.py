"""The engine in a process of its own: supervisor, guard, server, client and protocol."""

"""The engine on a remote `vllm serve`, over its OpenAI-compatible API.

- `openai_engine`: requests and answers; `http_connection`: the connection, which another thread can interrupt;
- `remote_engine`: awaits and watches the server, as `process.supervisor` does with a process.
"""

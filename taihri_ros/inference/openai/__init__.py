"""The engine on a remote `vllm serve`, over its OpenAI-compatible API."""

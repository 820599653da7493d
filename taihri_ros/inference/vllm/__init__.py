"""The vLLM engine, in-process."""

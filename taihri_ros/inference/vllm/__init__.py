"""The vLLM engine, in-process.

- `vllm_engine`: the engine; `settings`: how vLLM is started, with the reasons;
- `requests`: the interface of its two kinds of requests: `session_requests` (vLLM's core, faster, with `image_inputs`)
  and `public_requests` (vLLM's public API);
- `stepping`: steps the core until the requests have their answers; `logprobs`: those as top-k entries;
- `private_api`: everything beyond the public API; `versions`: the tested versions;
- `lora`, `low_bit_weights`: adapters, and quantised weights on a CPU.
"""

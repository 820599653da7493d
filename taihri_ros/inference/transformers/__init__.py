"""The Hugging Face transformers engine, in-process.

- `transformers_engine`: the engine; `prefix_tree`: the prompts of all joints in one pass;
- `low_bit_weights`: what transformers needs to read quantised weights.
"""

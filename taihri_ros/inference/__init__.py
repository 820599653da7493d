"""Inference engines: they turn an image, a prompt and a grammar into answer tokens with top-k log-probabilities.

The interface and what the engines share:

- `engine`: the interface, with requests and results;
- `in_process_engine`, `local_engine`: base classes of the engines in a process, and of those with a language model;
- `factory`, `warmup`: an engine from its name, and its first request;
- `image_patches`, `coordinate_ids`, `top_k`: pictures in, coordinates out;
- `supervised_engine`, `engine_health`, `answer_times`, `passing_faults`: is an engine that runs elsewhere well;
- `install`, `environment`, `framework_imports`, `torchvision_cpu`: the Python environments of the engines;
- `printable`: text of another program, made safe.

The engines are the folders `vllm`, `transformers`, `mediapipe` and `openai`; `process` puts one of them into a process
of its own. `checkpoint` reads what is on disk, `constrained` decodes within a grammar.
"""

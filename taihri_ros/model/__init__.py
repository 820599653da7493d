"""The input and output format of the model: prompts, bins, answer format, grammar and parser. Needs only NumPy."""

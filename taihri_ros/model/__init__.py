"""The input and output format of the model: prompts, bins, answer format, grammar and parser. Needs only NumPy.

- `spec`: `taihri.json`, the numbers of a checkpoint;
- `prompts`: what the model is asked;
- `answer_format`, `grammar`: what it may answer;
- `lexer`, `parser`: what it has answered;
- `quantization`, `zoom`: the bins of the answer as metres and pixels, also in a zoomed view.
"""

"""Constrained decoding: an answer grammar in the form that a framework needs.

- `answer_template`: jump-forward decoding, for grammars that leave only the coordinates open;
- `automaton`: a finite automaton, for engines that mask the next token themselves; `lark`: a Lark grammar, for vLLM.
"""

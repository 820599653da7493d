"""Random commands as people say and type them, from patterns; for training and for the language model of speech.

- `phrasings`: the commands, from `data/training_phrasings.yaml`; `phrase_grammar`: the patterns of that file.
"""

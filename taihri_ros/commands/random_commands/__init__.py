"""Random commands as people say and type them, from patterns; for training and for the language model of speech."""

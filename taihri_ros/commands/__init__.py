"""Commands of the user: checks of the received text, and the joints that a command needs.

- `command`: a received text, checked and read;
- `stop_words`, `joint_lists`, `negation`, `person_words`: what such a text may be, each by words of its own;
- `joint_selection`: the joints of a command, and who chose them: the words, the model or the task table;
- `tasks`, `task_table`, `task_files`: the task table, `data/tasks.yaml`;
- `language`, `lexicon`, `word_patterns`, `phrase_index`: which task of the table a sentence means;
- `plain_words`: sentences as lower-case words, for all of these.

The folder `random_commands` makes commands for training and for the language model of speech.
"""

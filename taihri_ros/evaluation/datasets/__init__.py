"""Data sets of labelled images, with a reader for each format.

- `items`: what a reader returns; `readers`: which reader a data set needs;
- `synthetic_people`: Parquet of `taihri synth`; `manifest`: one JSON object on each line; `archives`: those of
  Harmony4D, EgoBody and SPEC;
- `pickles`, `unpickling`, `plain_values`: pickled archives, read in a process with limits that runs no code of theirs.
"""

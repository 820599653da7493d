"""Several people: their tracks in 3D, ids that stay, and the choice of whom a command means.

- `group_tracker`: the steps of a frame, in the order of this list;
- `whereabouts`, with `gaps` and `turns`: the views in which people are looked for, and about whom the model is asked;
- `detected`: the answers as people, each once;
- `people_tracker`, `person_track`, `assignment`, `identity`: who is who, over time;
- `selection`: whom the command means.
"""

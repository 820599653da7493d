"""Recorded bags: read as far as they can be, and written so that no failure loses an answer.

- `recording`: the files of a bag, and their messages in the order of their recording;
- `sqlite_file`, `mcap_file` (with `mcap_records`): one file in either format;
- `channels`: the topics of a file, and the index of its messages;
- `message_types`: the types of the recorded messages;
- `bag_writer`: writes a bag;
- `errors`: the error of all.

rosbags defines the types and writes the bags. Its reader is not used: one channel in another encoding, one empty
definition or a missing end would decide over the whole bag.
"""

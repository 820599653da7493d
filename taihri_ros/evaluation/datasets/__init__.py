"""Data sets: labelled images, and a reader for each format."""

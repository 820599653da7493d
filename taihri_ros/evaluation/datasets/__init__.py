"""Data sets of labelled images, with a reader for each format."""

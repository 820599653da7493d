"""Reports of an evaluation: tables and plots."""

"""Constrained decoding: an answer grammar as a finite automaton, as a template, and as a Lark grammar."""

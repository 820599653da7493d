"""Constrained decoding: what an answer may be, as automaton, template and Lark grammar."""

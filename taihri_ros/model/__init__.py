"""The model's side of the contract: bins, prompts, answer format, grammar and parser. Runs on NumPy alone."""

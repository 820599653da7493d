"""Commands: checking the received text, and finding the joints that it needs."""

"""Commands: what was said, made safe, and the joints that it needs."""

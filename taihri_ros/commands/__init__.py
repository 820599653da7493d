"""Commands of the user: checks of the received text, and the joints that a command needs."""

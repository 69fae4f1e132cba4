"""How messages reach an agent and come back: the pipe, the session on it, and what can go wrong with both."""

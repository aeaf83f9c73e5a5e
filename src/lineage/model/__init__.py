"""Frozen values and pure codecs: what the agent and the server have in common. Standard library only."""

"""Access: what is known, as text for a terminal."""

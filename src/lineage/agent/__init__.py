"""Capture: what runs inside the user's process."""

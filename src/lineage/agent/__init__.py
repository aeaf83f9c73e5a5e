"""Capture: what runs inside the user's process.

How long it takes to import is what every application waits at its start. So what is not needed then is imported where it is
needed, and most values are named tuples: frozen dataclasses take five times as long to make.
"""

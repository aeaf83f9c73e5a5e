"""Errors that a user of Lineage may see."""

from __future__ import annotations


class LineageError(Exception):
    """Base of every error raised on purpose; its text names what to do."""


class UsageError(LineageError):
    """A command was called with something it cannot work with."""

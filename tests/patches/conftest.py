"""Errors that the agent swallows fail these tests."""

from support.fixtures import _swallowed, make, swallowed, world

__all__ = ["_swallowed", "make", "swallowed", "world"]

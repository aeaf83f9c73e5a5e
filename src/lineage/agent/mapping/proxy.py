"""What stands before a mapping that the user gave."""

from __future__ import annotations

from typing import Any


class Proxy:
    """Says to be what it stands before, and is it but for the methods that ``lineage.agent.mapping`` gives its subclasses."""

    __slots__ = ("_lineage_beside", "_lineage_raw")

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_lineage_raw"), name)

    @property  # type: ignore[misc]  # a property of that name is how mocks and proxies do it
    def __class__(self) -> Any:
        return type(object.__getattribute__(self, "_lineage_raw"))


def bare(value: Any) -> Any:
    """The mapping itself. By type(), as a proxy says to be something else."""
    return value._lineage_raw if issubclass(type(value), Proxy) else value

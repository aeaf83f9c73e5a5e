"""Subclasses that take the place of the library's C types."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from lineage.agent.guard import guarded
from lineage.agent.instances import configured, forgotten, info_from
from lineage.agent.recorder import switch


def subclass(original: Any, methods: dict[str, Any]) -> Any:
    """A class that looks like ``original`` to everybody and has these methods instead of its own."""
    init_ = original.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        init_(self, *args, **kwargs)
        _configured(self, *args, **kwargs)

    def __del__(self: Any) -> None:
        # At interpreter exit our own modules may be gone already.
        with suppress(Exception):
            forgotten(self, switch.recorder)

    names = {"__init__": __init__, "__del__": __del__, **methods}
    for name, function in names.items():
        plain = getattr(original, name, None)
        function.__name__ = name
        function.__qualname__ = f"{original.__name__}.{name}"
        function.__module__ = original.__module__
        function.__doc__ = getattr(plain, "__doc__", None)
    traced = type(original)(
        original.__name__, (original,), {"__slots__": (), "__module__": original.__module__, **names}
    )
    traced.__qualname__ = original.__qualname__
    traced.__doc__ = original.__doc__
    return traced


@guarded
def _configured(client: Any, config: Any = None, /, **more: Any) -> None:
    # Client(config), Client(config, **more) or Client(**config): the library's own signature.
    configured(client, info_from({**(config or {}), **more}))

"""Subclasses that take the place of the library's C types."""

from __future__ import annotations

from typing import Any

from lineage.agent.guard import swallow
from lineage.agent.instances import configured, forgotten, info_from
from lineage.agent.recorder import switch


def subclass(original: Any, methods: dict[str, Any]) -> Any:
    """A class that looks like ``original`` to everybody and has these methods instead of its own."""
    init_ = original.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        init_(self, *args, **kwargs)
        try:
            # Client(config), Client(config, **more) or Client(**config): see the library's own signature.
            configured(self, info_from({**(args[0] if args else {}), **kwargs}))
        except Exception as error:
            swallow(error)

    def __del__(self: Any) -> None:
        try:
            forgotten(self, switch.recorder)
        except Exception:  # noqa: BLE001, S110  # at interpreter exit our own modules may be gone
            pass

    names = {"__init__": __init__, "__del__": __del__, **methods}
    for name, function in names.items():
        plain = getattr(original, name, None)
        function.__name__ = name
        function.__qualname__ = f"{original.__name__}.{name}"
        function.__module__ = original.__module__
        function.__doc__ = getattr(plain, "__doc__", None)
    traced = type(original)(original.__name__, (original,), {"__slots__": (), "__module__": original.__module__, **names})
    traced.__qualname__ = original.__qualname__
    traced.__doc__ = original.__doc__
    return traced


def cluster_of(original: Any, instance: Any) -> str | None:
    """The cluster's id if the client knows it by now.

    With a timeout of 0 librdkafka's rd_kafka_clusterid only reads its cache: it neither blocks nor asks a broker. Clients before
    2.13 have no such method.
    """
    try:
        found = original.cluster_id(instance, 0)
    except Exception:  # noqa: BLE001  # not known yet: the client raises a time-out
        return None
    return found if isinstance(found, str) else None

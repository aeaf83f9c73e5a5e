"""Raw clients that were created before the agent: their class cannot change any more, so a proxy stands before them."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Any

from lineage.agent import patching
from lineage.agent.instances import forgotten
from lineage.agent.recorder import switch


@cache
def _proxy_class() -> Any:
    # Made when one is needed: importing wrapt takes long, and hardly anybody has such clients.
    import wrapt

    class Traced(wrapt.ObjectProxy):  # type: ignore[type-arg]  # generic only from wrapt 2.0 on
        """Calls the traced class's methods on the raw client; all else, ``isinstance`` too, is the client's."""

        def __init__(self, client: Any, traced: Any) -> None:
            super().__init__(client)
            self._self_traced = vars(traced)

        def __del__(self) -> None:
            # At interpreter exit our own modules may be gone already.
            with suppress(Exception):
                forgotten(self.__wrapped__, switch.recorder)

        def __getattr__(self, name: str) -> Any:
            method = self._self_traced.get(name)
            if callable(method):
                return method.__get__(self.__wrapped__)
            return getattr(self.__wrapped__, name)

    return Traced


def traced_proxy(client: Any) -> Any:
    """A traced stand-in for a raw ``client``; a client that is traced already is given back as it is."""
    traced = patching.replacement(type(client))
    return client if traced is None else _proxy_class()(client, traced)

"""``lineage.state``: any mutable mapping as a state store.

Without a mapping of the user's it is a dict, by class too. One that the user gives cannot be that, as others may hold it: a proxy
stands before it, that says to be of its class and has its methods, no others. Reads of values are recorded, and writes; what only
looks at keys (``keys()``, ``len``, a loop over the mapping) and comparisons are not.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from functools import cache
from typing import Any

from lineage.agent.beside import LARGE, Beside, Memory, traced
from lineage.agent.mapping.operations import OPERATIONS
from lineage.agent.mapping.proxy import Proxy, bare

_MEMORY = "memory"
_OF_THE_CLASS = {
    "__abstractmethods__",
    "__class__",
    "__class_getitem__",
    "__del__",
    "__dict__",
    "__doc__",
    "__getattr__",
} | {
    *(
        "__getattribute__",
        "__init__",
        "__init_subclass__",
        "__module__",
        "__new__",
        "__slots__",
        "__subclasshook__",
        "__weakref__",
    )
}
"""What each class has of its own."""


def state(name: str, mapping: Any, writers: Any) -> Any:
    """``mapping``, traced under this name; one that a patch traces already is given back as it is."""
    if mapping is None:
        made = _dict_class()()
        raw = super(type(made), made)
        return _prepared(made, raw, Beside(name, _MEMORY, _kept(writers, raw), limit=LARGE))
    known = traced.get(id(mapping))
    if issubclass(type(mapping), Proxy) or (known is not None and known.kind is type(mapping)):
        return mapping
    kind: Any = type(mapping)
    in_memory = issubclass(kind, dict)
    system = _MEMORY if in_memory else kind.__module__.partition(".")[0]
    beside = Beside(name, system, _kept(writers, mapping), limit=LARGE if in_memory else None)
    return _prepared(object.__new__(_proxy_class(kind)), mapping, beside)


def _prepared(made: Any, raw: Any, beside: Beside) -> Any:
    object.__setattr__(made, "_lineage_raw", raw)
    object.__setattr__(made, "_lineage_beside", beside)
    return made


def _kept(writers: Any, raw: Any) -> Any:
    if writers is None:
        return Memory(raw.__contains__)
    traced.pop(id(writers), None)  # what we do there is nothing that the application did
    return bare(writers)


@cache
def _dict_class() -> Any:
    def reduce(self: Any, _: object) -> Any:
        return dict, (dict(self),)  # a copy, or what is unpickled elsewhere, is a plain dict

    slots = {"__slots__": Proxy.__slots__, "__module__": "builtins", "__reduce_ex__": reduce}
    return type("dict", (dict,), {**OPERATIONS, **slots})


@cache
def _proxy_class(kind: Any) -> Any:
    """A proxy class with exactly the methods of this kind of mapping."""
    methods: dict[str, Any] = {"__slots__": (), "__doc__": kind.__doc__, "__module__": kind.__module__}
    for name in dir(kind):
        if name in OPERATIONS:
            methods[name] = OPERATIONS[name]
        elif name.startswith("__") and name.endswith("__") and name not in _OF_THE_CLASS:
            found = getattr(kind, name)
            methods[name] = _forward(name) if callable(found) else found
    made = type(kind.__name__, (Proxy,), methods)
    if issubclass(kind, MutableMapping):
        MutableMapping.register(made)  # `match` looks at the type, whatever it says to be
    return made


def _forward(name: str) -> Callable[..., Any]:
    def forward(self: Any, *args: Any, **more: Any) -> Any:
        raw = self._lineage_raw
        result = getattr(raw, name)(*map(bare, args), **more)
        return self if result is raw else result

    forward.__name__ = name
    return forward

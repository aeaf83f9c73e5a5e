"""rocksdict 0.3.20 to 0.3.29: databases that an application opens by itself, as the state of a loop of its own.

Covered: get, put, delete, ``[]``, ``in``, lists of keys, ``items``, ``values``, ``delete_range``, ``WriteBatch``, column families.
Not covered: wide columns (entities), ``iter()``, snapshots and files that are ingested: what they write has no writer, what they
read no span. Stores of Quix Streams and Faust have patches of their own. Conventions: OpenTelemetry database v1.44.

rocksdict's classes can be neither subclassed nor given attributes, so their methods are replaced one by one.
"""

from __future__ import annotations

from lineage.agent.patches.rocksdict import batches, operations, stores
from lineage.agent.patching import Patch

_MODULE = "rocksdict.rocksdict"

PATCHES = (
    Patch(_MODULE, "Rdict.__init__", stores.opened),
    Patch(_MODULE, "Rdict.__getitem__", operations.getitem),
    Patch(_MODULE, "Rdict.__setitem__", operations.put),
    Patch(_MODULE, "Rdict.__delitem__", operations.delete),
    Patch(_MODULE, "Rdict.__contains__", operations.contains),
    Patch(_MODULE, "Rdict.get", operations.get),
    Patch(_MODULE, "Rdict.put", operations.put),
    Patch(_MODULE, "Rdict.delete", operations.delete),
    Patch(_MODULE, "Rdict.delete_range", operations.delete_range),
    Patch(_MODULE, "Rdict.items", operations.items),
    Patch(_MODULE, "Rdict.values", operations.values),
    Patch(_MODULE, "Rdict.write", operations.write),
    Patch(_MODULE, "Rdict.get_column_family", stores.family),
    Patch(_MODULE, "Rdict.create_column_family", stores.family),
    Patch(_MODULE, "Rdict.drop_column_family", stores.drop_family),
    Patch(_MODULE, "Rdict.get_column_family_handle", batches.handle),
    Patch(_MODULE, "Rdict.try_catch_up_with_primary", stores.catch_up),
    Patch(_MODULE, "Rdict.close", stores.close),
    Patch(_MODULE, "Rdict.destroy", stores.destroy),
    Patch(_MODULE, "WriteBatch.__init__", batches.made),
    Patch(_MODULE, "WriteBatch.__setitem__", batches.put),
    Patch(_MODULE, "WriteBatch.__delitem__", batches.delete),
    Patch(_MODULE, "WriteBatch.put", batches.put),
    Patch(_MODULE, "WriteBatch.delete", batches.delete),
    Patch(_MODULE, "WriteBatch.clear", batches.clear),
    Patch(_MODULE, "WriteBatch.set_default_column_family", batches.set_default),
)

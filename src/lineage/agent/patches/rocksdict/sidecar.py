"""Who wrote the values of one database: a small database of ours, in the hidden directory ``.lineage`` within that of the user's.

Within, so that it lives, moves and goes with it: RocksDB leaves alone what it does not know, and a directory beside it might be
taken for one more store. It is opened when the first value is read or written while an event is handled: for reading only until
this process has written a value, as whoever reads must not lock out the process that writes. It remembers the identity of the
database, so that what is left of one that was deleted tells nothing of the next.
"""

from __future__ import annotations

import marshal
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

from lineage.agent.beside import Beside

if TYPE_CHECKING:
    from pathlib import Path

_DIRECTORY = ".lineage"
_IDENTITY = b"identity"
_BUFFER = 4 << 20
_RECENT = 4096
DEFAULT = "default"


class Sidecar:
    """The writers beside one database, by bytes that are made of column family and key."""

    def __init__(self, path: Path) -> None:
        self._of = path
        self._path = self._of / _DIRECTORY
        self._stores: dict[str, Beside] = {}
        self._lock = Lock()
        self._db: Any = None
        self._get: Any = None
        self._put: Any = None
        self._writes = False
        self._absent = False
        # While we write, nobody else does: what was written last need not be read.
        self._recent: dict[bytes, bytes] = {}

    def store(self, family: str) -> Beside:
        """The store that a column family is. The user's name for it is that of the directory."""
        store = self._stores.get(family)
        if store is None:
            name, within = (self._of.name, None) if family == DEFAULT else (family, self._of.name)
            store = Beside(name, "rocksdb", Family(self, family), namespace=within)
            self._stores[family] = store
        return store

    def get(self, key: bytes) -> Any:
        recent = self._recent.get(key)
        if recent is not None:
            return recent
        if self._db is None:
            if self._absent:
                return None
            self._open(writes=False)
        return None if self._db is None else self._get(key)

    def put(self, key: bytes, packed: bytes) -> None:
        if not self._writes:
            self._open(writes=True)
        if len(self._recent) >= _RECENT:
            self._recent.clear()
        self._recent.pop(key, None)
        self._put(key, packed)
        self._recent[key] = packed

    def delete(self, key: bytes, end: bytes | None = None) -> None:
        """This key, or all from there until before ``end``."""
        if not self._writes:
            if not self._path.exists():
                return
            self._open(writes=True)
        self._recent.clear()
        if end is None:
            self._db.delete(key)
        else:
            self._db.delete_range(key, end)

    def refresh(self) -> None:
        """What another process wrote since is to be seen."""
        if not self._writes:
            self.close()

    def close(self) -> None:
        """Until it is needed again."""
        with self._lock:
            self._close()

    def remove(self) -> None:
        """The database is gone."""
        import shutil  # as slow to load as it is seldom needed

        self.close()
        shutil.rmtree(self._path, ignore_errors=True)
        with suppress(OSError):
            self._of.rmdir()  # as it would be, had we not been in it

    def _close(self) -> None:
        db, self._db, self._writes, self._absent = self._db, None, False, False
        self._get = self._put = None
        self._recent.clear()
        if db is not None:
            db.close()

    def _open(self, *, writes: bool) -> None:
        with self._lock:
            # Another thread may have been faster.
            if not self._writes and (writes or self._db is None):
                # One that was open for reading is not closed: another thread may be using it.
                self._open_ours(writes)

    def _open_ours(self, writes: bool) -> None:
        if not writes and not self._path.exists():
            self._absent = True
            return
        db, identity = _opened(self._path, writes), self._identity()
        if db.get(_IDENTITY) != identity:
            if not writes:
                db.close()
                self._absent = True
                return
            db.delete_range(b"", b"\xff")
            db[_IDENTITY] = identity
        self._get, self._put = _plain(db, "get"), _plain(db, "put")
        self._db, self._writes = db, writes

    def _identity(self) -> bytes:
        with suppress(OSError):
            return (self._of / "IDENTITY").read_bytes()
        return b""


class Family:
    """The writers of one column family, as a mapping."""

    def __init__(self, sidecar: Sidecar, name: str) -> None:
        self.sidecar = sidecar
        self._prefix = b"of " + name.encode() + b"\0"
        self._bytes, self._text, self._other = (self._prefix + tag for tag in (b"b", b"s", b"o"))

    def get(self, key: Any) -> Any:
        return self.sidecar.get(self._key(key))

    def __setitem__(self, key: Any, packed: bytes) -> None:
        self.sidecar.put(self._key(key), packed)

    def __delitem__(self, key: Any) -> None:
        self.sidecar.delete(self._key(key))

    def clear(self) -> None:
        self.sidecar.delete(self._prefix, self._prefix + b"\xff")

    def delete_range(self, begin: Any, end: Any) -> None:
        """Those from ``begin`` until before ``end``; other keys than bytes and str have another order with us, and stay."""
        if type(begin) is type(end) and isinstance(begin, (bytes, str)):
            self.sidecar.delete(self._key(begin), self._key(end))

    def _key(self, key: Any) -> bytes:
        if isinstance(key, str):
            return self._text + key.encode()
        return self._bytes + key if isinstance(key, bytes) else self._other + marshal.dumps(key, 2)


def _plain(db: Any, name: str) -> Any:
    """The library's own method, past ours."""
    method = getattr(type(db), name)
    return getattr(method, "__wrapped__", method).__get__(db)


def _opened(path: Path, writes: bool) -> Any:
    from rocksdict import AccessType, Options, Rdict

    options = Options(raw_mode=True)
    options.set_write_buffer_size(_BUFFER)
    options.set_keep_log_file_num(1)
    return Rdict(str(path), options, access_type=AccessType.read_write() if writes else AccessType.read_only())

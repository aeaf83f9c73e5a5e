"""What of a message's key and headers is recorded: only what the settings ask for."""

from __future__ import annotations

from typing import Any

from lineage.agent.settings import KEYS_HASHED, KEYS_OFF, Settings
from lineage.model import semconv

_KEY_LIMIT = 256
_HASH_LENGTH = 32


class Capture:
    """Keys and headers as span attributes, and the headers that sends hand on."""

    def __init__(self, settings: Settings) -> None:
        self._captured = settings.headers_capture
        self._propagated = settings.headers_propagate
        self._secret = settings.keys_secret.encode()
        self._hashed = settings.keys == KEYS_HASHED
        self.keys = settings.keys != KEYS_OFF
        self.headers = bool(self._captured)
        self.propagates = bool(self._propagated)

    def key(self, key: Any) -> str | None:
        """The key as it may be recorded, or None: off, no key, or not text."""
        if not self.keys or key is None:
            return None
        raw = key if isinstance(key, bytes) else str(key).encode("utf-8", "replace")
        if self._hashed:
            import hashlib
            import hmac

            return hmac.new(self._secret, raw, hashlib.sha256).hexdigest()[:_HASH_LENGTH]
        return _printable(raw)

    def attributes(self, headers: Any) -> dict[str, Any]:
        """``messaging.header.<name>`` with all values of each captured header, as text."""
        found: dict[str, list[str]] = {}
        for name, value in headers or ():
            if isinstance(name, str) and name in self._captured:
                found.setdefault(semconv.HEADER_PREFIX + name, []).append(_text(value))
        return dict(found)

    def propagated(self, headers: Any) -> tuple[tuple[str, Any], ...]:
        """The headers of a consumed message that its sends hand on."""
        return tuple((name, value) for name, value in headers or () if name in self._propagated)


def _printable(raw: bytes) -> str | None:
    try:
        text = raw[:_KEY_LIMIT].decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

"""The agent's configuration: the environment, read once.

Each field declares its variable, its text form and its documentation; docs/configuration.md is made from them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from fnmatch import translate
from typing import Any

from lineage.model import semconv

KEYS_OFF, KEYS_PLAIN, KEYS_HASHED = "off", "plain", "hashed"
HEADER_ON, HEADER_OFF, HEADER_HIDDEN = "on", "off", "hidden"


class Patterns:
    """Names and wildcards (``*``, ``?``), as a set that answers ``in``."""

    __slots__ = ("_match", "texts")

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self._match = re.compile("|".join(map(translate, texts))).match if texts else None

    def __contains__(self, name: str) -> bool:
        return self._match is not None and self._match(name) is not None

    def __bool__(self) -> bool:
        return bool(self.texts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Patterns) and other.texts == self.texts

    def __hash__(self) -> int:
        return hash(self.texts)

    def __repr__(self) -> str:
        return f"Patterns{self.texts}"


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in (part.strip() for part in text.split(",")) if word)


def _patterns(text: str) -> Patterns:
    return Patterns(*_words(text))


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return text.lower() == "true"


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(", ".join(choices[:-1]) + " or " + choices[-1])
        return text.lower()

    return parse


def _some_of(*choices: str) -> Callable[[str], frozenset[str]]:
    def parse(text: str) -> frozenset[str]:
        words = frozenset(word.lower() for word in _words(text) if word.lower() != "none")
        if words - set(choices):
            raise ValueError("none, or a list of " + ", ".join(choices))
        return words

    return parse


def _number(kind: type[int | float], least: float) -> Callable[[str], Any]:
    def parse(text: str) -> int | float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not value >= least:
            raise ValueError(f"{'a whole number' if kind is int else 'a number'} of at least {least:g}")
        return value

    return parse


def _setting(variable: str, default: Any, parse: Callable[[str], Any], shown: str, doc: str) -> Any:
    return field(default=default, metadata={"variable": variable, "parse": parse, "shown": shown, "doc": doc})


@dataclass(frozen=True, slots=True)
class Settings:
    """Every ``LINEAGE_*`` variable, parsed; ``problems`` has one line for each value that was refused."""

    topics_include: Patterns = _setting(
        "LINEAGE_TOPICS_INCLUDE",
        Patterns("*"),
        _patterns,
        "*",
        "Topics to trace: names and wildcards, separated by commas.",
    )
    topics_exclude: Patterns = _setting(
        "LINEAGE_TOPICS_EXCLUDE",
        Patterns(),
        _patterns,
        "",
        "Topics to leave alone: nothing is recorded and no header added.",
    )
    suppressed: frozenset[str] = _setting(
        "LINEAGE_SPANS_SUPPRESS",
        frozenset((semconv.POLL, semconv.COMMIT)),
        _some_of(*semconv.SPAN_KINDS),
        "poll,commit",
        "Kinds of span not to record: `send`, `process`, `poll`, `commit`, `transaction`, `state`, `step`, or `none`. "
        "Propagation goes on without them. The list takes the place of the default.",
    )
    suppressed_names: Patterns = _setting(
        "LINEAGE_SPANS_SUPPRESS_NAMES",
        Patterns(),
        _patterns,
        "",
        "State operations and steps not to record, by span name: names and wildcards (`get *`, `put totals`, `enrich`). "
        "Propagation and the links of what is read go on without them.",
    )
    state_headers: bool = _setting(
        "LINEAGE_STATE_HEADERS",
        False,
        _boolean,
        "false",
        "Keep baggage and the headers of `LINEAGE_HEADERS_PROPAGATE` beside state values too: who reads a value hands them on.",
    )
    keys: str = _setting(
        "LINEAGE_KEYS",
        KEYS_OFF,
        _one_of(KEYS_OFF, KEYS_PLAIN, KEYS_HASHED),
        "off",
        "Record message keys: `off`, `plain` (where they are text) or `hashed` (HMAC-SHA256 with `LINEAGE_KEYS_SECRET`).",
    )
    keys_secret: str = _setting("LINEAGE_KEYS_SECRET", "", str, "", "The secret for `LINEAGE_KEYS=hashed`.")
    headers_capture: Patterns = _setting(
        "LINEAGE_HEADERS_CAPTURE",
        Patterns(),
        _patterns,
        "",
        "Record headers to put on spans, as `messaging.header.<name>`: names and wildcards.",
    )
    headers_propagate: Patterns = _setting(
        "LINEAGE_HEADERS_PROPAGATE",
        Patterns(),
        _patterns,
        "",
        "Record headers to copy from a consumed message to what is sent because of it, never over one that is there: "
        "names and wildcards.",
    )
    header: str = _setting(
        "LINEAGE_HEADER",
        HEADER_ON,
        _one_of(HEADER_ON, HEADER_OFF, HEADER_HIDDEN),
        "on",
        "Our own header `lineage-context`: `on`, `off` (not written), or `hidden` (written, but taken out before the "
        "application sees it).",
    )
    record_unsampled: bool = _setting(
        "LINEAGE_RECORD_UNSAMPLED",
        False,
        _boolean,
        "false",
        "Record lineage also where the upstream trace was not sampled.",
    )
    max_hops: int = _setting(
        "LINEAGE_MAX_HOPS",
        100,
        _number(int, 1),
        "100",
        "After so many sends of one event a new trace starts, linked to the old one.",
    )
    max_age: float = _setting(
        "LINEAGE_MAX_AGE_SECONDS",
        604_800.0,
        _number(float, 1),
        "604800",
        "An event that entered longer ago (seconds) starts a new trace, linked to the old one.",
    )
    captured_context: float = _setting(
        "LINEAGE_CAPTURED_CONTEXT_SECONDS",
        30.0,
        _number(float, 0),
        "30",
        "How long (seconds) after its message was handled a thread or task started meanwhile still counts as handling it.",
    )
    remembered_messages: int = _setting(
        "LINEAGE_REMEMBERED_MESSAGES",
        4096,
        _number(int, 0),
        "4096",
        "How many consumed messages are remembered, to recognize their headers and values.",
    )
    remembered_bytes: int = _setting(
        "LINEAGE_REMEMBERED_BYTES",
        8_388_608,
        _number(int, 0),
        "8388608",
        "How many bytes of message values may be kept alive for that.",
    )
    max_links: int = _setting(
        "LINEAGE_MAX_LINKS",
        1000,
        _number(int, 1),
        "1000",
        "The most links on one span; `lineage.input.count` always has the true number.",
    )
    patches_disabled: frozenset[str] = _setting(
        "LINEAGE_PATCHES_DISABLED",
        frozenset(),
        lambda text: frozenset(_words(text)),
        "",
        "Patches to leave off, by name (`lineage doctor` lists them).",
    )
    native: str = _setting(
        "LINEAGE_NATIVE",
        "1",
        _one_of("0", "1"),
        "1",
        "`0` leaves the compiled code out, when the package is built and when it runs: Python does the same, more slowly. "
        "It is read as the agent is imported.",
    )
    problems: tuple[str, ...] = ()

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read the variables; a value that cannot be used becomes a line in ``problems`` and leaves the default."""
        values: dict[str, Any] = {}
        problems: list[str] = []
        for setting in fields(cls):
            text = env.get(setting.metadata.get("variable", ""), "").strip()
            if text:
                _parse_into(values, problems, setting.name, setting.metadata, text)
        if values.get("keys") == KEYS_HASHED and not values.get("keys_secret"):
            problems.append("LINEAGE_KEYS=hashed needs LINEAGE_KEYS_SECRET; keys are not recorded")
            del values["keys"]
        return cls(**values, problems=tuple(problems))

    def traces(self, topic: str) -> bool:
        """Whether this topic is to be traced."""
        return topic in self.topics_include and topic not in self.topics_exclude


def _parse_into(values: dict[str, Any], problems: list[str], name: str, metadata: Mapping[str, Any], text: str) -> None:
    try:
        values[name] = metadata["parse"](text)
    except ValueError as expected:
        problems.append(
            f"{metadata['variable']}={text!r} is not {expected}; using {metadata['shown'] or 'the default'}"
        )


def table() -> list[tuple[str, str, str]]:
    """Rows for the documentation: variable, default, meaning."""
    return [(s.metadata["variable"], s.metadata["shown"], s.metadata["doc"]) for s in fields(Settings) if s.metadata]

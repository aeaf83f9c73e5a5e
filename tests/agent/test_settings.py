"""Settings: the environment, read once; a wrong value is one line, and the default."""

from __future__ import annotations

import pytest

from lineage.agent import settings
from lineage.agent.settings import Patterns, Settings


def test_an_empty_environment_gives_the_defaults() -> None:
    """Nothing set, or set to nothing, is no problem."""
    assert Settings.from_env({"LINEAGE_MAX_HOPS": " "}) == Settings()


def test_every_value_is_read() -> None:
    """One of each form."""
    read = Settings.from_env(
        {
            "LINEAGE_TOPICS_EXCLUDE": "audit-*, internal",
            "LINEAGE_SPANS_SUPPRESS": "Process,SEND",
            "LINEAGE_KEYS": "PLAIN",
            "LINEAGE_RECORD_UNSAMPLED": "True",
            "LINEAGE_MAX_HOPS": "7",
            "LINEAGE_MAX_AGE_SECONDS": "1.5",
        }
    )
    assert read.problems == ()
    assert (read.suppressed, read.keys, read.record_unsampled) == ({"process", "send"}, "plain", True)
    assert (read.max_hops, read.max_age) == (7, 1.5)
    assert (read.traces("audit-log"), read.traces("internal"), read.traces("orders")) == (False, False, True)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LINEAGE_MAX_HOPS", "0"),
        ("LINEAGE_MAX_HOPS", "many"),
        ("LINEAGE_MAX_AGE_SECONDS", "nan"),
        ("LINEAGE_RECORD_UNSAMPLED", "perhaps"),
        ("LINEAGE_HEADER", "maybe"),
        ("LINEAGE_SPANS_SUPPRESS", "send,receive"),
    ],
)
def test_a_wrong_value_is_one_line_and_the_default(variable: str, value: str) -> None:
    """The line names the variable and the value."""
    read = Settings.from_env({variable: value})
    (problem,) = read.problems
    assert variable in problem
    assert value in problem
    assert read == Settings(problems=read.problems)


def test_suppressing_none_records_all() -> None:
    """Poll and commit spans are off unless asked for."""
    assert Settings().suppressed == {"poll", "commit"}
    assert Settings.from_env({"LINEAGE_SPANS_SUPPRESS": "none"}).suppressed == frozenset()


def test_hashing_needs_a_secret() -> None:
    """Hashes without a secret would be no protection."""
    read = Settings.from_env({"LINEAGE_KEYS": "hashed"})
    assert read.keys == "off"
    assert len(read.problems) == 1
    assert Settings.from_env({"LINEAGE_KEYS": "hashed", "LINEAGE_KEYS_SECRET": "x"}).keys == "hashed"


def test_patterns_are_whole_names() -> None:
    """No prefix matches by accident; no pattern matches nothing."""
    assert "orders" in Patterns("order?", "x")
    assert "orders-2" not in Patterns("orders")
    assert "orders" not in Patterns()
    assert not Patterns()


def test_the_table_has_every_setting() -> None:
    """docs/configuration.md is made from it."""
    rows = settings.table()
    assert len({variable for variable, *_ in rows}) == len(rows)
    assert all(variable.startswith("LINEAGE_") and doc for variable, _, doc in rows)

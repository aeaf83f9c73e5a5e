from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from processes import SCRIPTS, run

LINEAGE = str(SCRIPTS / "lineage")


def sections(text: str) -> dict[str, list[str]]:
    blocks = [block.splitlines() for block in text.strip().split("\n\n")]
    return {title: [" ".join(line.split()) for line in lines] for title, *lines in blocks}


def test_all_is_well(tmp_path: Path) -> None:
    """Every patch is on or not in this version, spans have somewhere to go."""
    pytest.importorskip("confluent_kafka")
    ended = run(LINEAGE, "doctor", OTEL_TRACES_EXPORTER="lineage_file", LINEAGE_FILE_PATH=str(tmp_path / "spans"))
    found = sections(ended.stdout)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    assert "confluent_kafka.cimpl.Producer applied" in found["Patches"]
    assert f"go to {tmp_path / 'spans'}" in found["Spans"]
    assert "state active" in found["Agent"]
    assert "No problems found." in found


def test_nobody_answers() -> None:
    """That is a problem, and the exit code says so."""
    ended = run(LINEAGE, "doctor", OTEL_TRACES_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert ended.returncode == 1
    assert "receiver does not answer" in sections(ended.stdout)["Spans"]
    assert "http://127.0.0.1:1/v1/traces" in sections(ended.stdout)["Problems"][0]


def test_wrong_values_and_secrets() -> None:
    """The first are problems, the second are not shown."""
    ended = run(
        LINEAGE, "doctor", LINEAGE_KEYS="perhaps", LINEAGE_KEYS_SECRET="hush", OTEL_EXPORTER_OTLP_HEADERS="token=hush"
    )
    assert ended.returncode == 1
    assert "hush" not in ended.stdout
    assert "LINEAGE_KEYS_SECRET (set)" in sections(ended.stdout)["Settings"]
    assert sections(ended.stdout)["Problems"] == ["! LINEAGE_KEYS='perhaps' is not off, plain or hashed; using off"]


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("OTEL_SDK_DISABLED", "true", "state not active: OTEL_SDK_DISABLED=true"),
        (
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
            "lineage",
            "state not active: OTEL_PYTHON_DISABLED_INSTRUMENTATIONS names lineage",
        ),
    ],
)
def test_switched_off_on_purpose(variable: str, value: str, line: str) -> None:
    """It says by what; that is no problem."""
    ended = run(LINEAGE, "doctor", **{variable: value})
    assert ended.returncode == 0
    assert line in sections(ended.stdout)["Agent"]


def test_a_disabled_patch_says_by_what() -> None:
    """The others are on."""
    ended = run(LINEAGE, "doctor", LINEAGE_PATCHES_DISABLED="confluent_kafka.cimpl.Producer")
    assert "confluent_kafka.cimpl.Producer disabled: LINEAGE_PATCHES_DISABLED" in sections(ended.stdout)["Patches"]

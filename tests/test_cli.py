from __future__ import annotations

import io
from pathlib import Path

import pytest

from lineage import cli
from lineage.agent import reference

LINE = (
    '{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeSpans":[{"spans":'
    '[{"traceId":"abcd","spanId":"01","name":"send orders","startTimeUnixNano":"5","endTimeUnixNano":"4000005"}]}]}]}'
)


def call(*arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    return cli.main(arguments, out, err), out.getvalue(), err.getvalue()


def test_a_tree_from_a_file(tmp_path: Path) -> None:
    """All traces, or one."""
    file = tmp_path / "spans.jsonl"
    file.write_text(LINE + "\n")
    code, out, err = call("tree", str(file), "--trace", "AB")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "trace abcd  1 spans, 1 services, 4.0ms"
    assert out.splitlines()[2].split() == ["send", "orders", "shop", "+0", "4.0ms"]


def test_files_that_cannot_be_shown(tmp_path: Path) -> None:
    """One line says why."""
    empty = tmp_path / "empty"
    empty.touch()
    missing = str(tmp_path / "missing")
    assert call("tree", missing) == (2, "", f"lineage tree: cannot read {missing}: No such file or directory\n")
    assert call("tree", str(empty)) == (2, "", f"lineage tree: no spans in {empty}\n")


def test_the_configuration_page_is_up_to_date() -> None:
    """`lineage config --markdown > docs/configuration.md` makes it so."""
    page = Path(__file__).parent.parent / "docs" / "configuration.md"
    assert call("config", "--markdown") == (0, page.read_text(encoding="utf-8"), "")


def test_the_configuration_in_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable of ours, and whether it is set."""
    monkeypatch.setenv("LINEAGE_KEYS", "plain")
    code, out, _ = call("config")
    assert code == 0
    assert all(name in out for _, _, table in reference.SECTIONS for name, _, _ in table())
    assert "LINEAGE_KEYS (default off) - set" in out


def test_mistakes_end_with_the_usage() -> None:
    """As argparse does it."""
    with pytest.raises(SystemExit, match="2"):
        call("nonsense")

"""Consume, transform, produce in transactions: sends name their transaction, and spans tell how it ended."""

import pytest
from support.run import Stage
from support.scenario import run_both_ways


@pytest.mark.parametrize("app", ["transactions", "aio_transactions"])
def test_transactions(app, broker, receiver):
    """The aborted send is traced like the committed ones, and both outcomes are told."""
    stages = [Stage("source", writes=["orders"]), Stage(app, ["orders"], ["out"]), Stage("sink", ["out"])]
    outcome = run_both_ways(stages, broker, receiver)
    traced = outcome.assert_lineage_beside("commit", "abort")
    sends = [span for span in traced.sends.values() if span.service == app]
    ends = [span for span in outcome.spans if span.name.split()[0] in ("commit", "abort")]
    assert len(sends) == 21
    assert sorted(span.name.split()[0] for span in ends) == ["abort"] + ["commit"] * 20
    transactions = [span.attributes["lineage.transaction.id"] for span in sends]
    assert sorted(transactions) == sorted(span.attributes["lineage.transaction.id"] for span in ends)

"""Two members share a group: the second joins while the first is at work, and leaves before it."""

from support.run import Stage
from support.scenario import run_pipeline


def test_rebalance(broker, receiver):
    """Whoever handles a message, its edges are true."""
    stages = [
        Stage("source", writes=["orders"], count=400, mode="many customers"),
        Stage("rebalancing", ["orders"], ["out"], count=400, name="first"),
        Stage("sink", ["out"], count=400),
    ]
    outcome = run_pipeline(stages, broker, receiver)
    outcome.assert_lineage()

"""Groups that are joined, where the other scenarios take the partitions as they are."""

from support.run import Stage
from support.scenario import run_both_ways, run_pipeline


def test_groups_joined_instead_of_partitions_assigned(broker, receiver):
    """Subscribing gives the same lineage as assigning."""
    stages = [
        Stage("source", writes=["orders"]),
        Stage("poll", ["orders"], ["out"], joins=True),
        Stage("sink", ["out"], joins=True),
    ]
    run_both_ways(stages, broker, receiver).assert_lineage()


def test_rebalance(broker, receiver):
    """A second member joins while the first is at work, and leaves before it: whoever handles a message, its edges are true."""
    stages = [
        Stage("source", writes=["orders"], count=400, mode="many customers"),
        Stage("rebalancing", ["orders"], ["out"], count=400, name="first"),
        Stage("sink", ["out"], count=400),
    ]
    outcome = run_pipeline(stages, broker, receiver)
    outcome.assert_lineage()

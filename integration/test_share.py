"""Share groups."""

from support.run import Stage
from support.scenario import run_both_ways


def test_share_consumer(broker, receiver):
    """Process spans tell how often a message was delivered and how it was acknowledged."""
    stages = [Stage("source", writes=["orders"]), Stage("share", ["orders"], ["out"]), Stage("sink", ["out"])]
    traced = run_both_ways(stages, broker, receiver).assert_lineage()
    processes = [span for spans in traced.processes.values() for span in spans if span.service == "share"]
    assert len(processes) == 20
    assert {span.attributes["lineage.delivery.count"] for span in processes} == {1}
    assert {span.attributes["lineage.acknowledgement"].lower() for span in processes} == {"accept"}

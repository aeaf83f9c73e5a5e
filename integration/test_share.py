"""Share groups."""

from collections import Counter

import pytest
from support.run import Stage
from support.scenario import run_both_ways


def processes_of(traced):
    return [span for spans in traced.processes.values() for span in spans if span.service == "share"]


def settlement(span):
    return span.attributes["lineage.delivery.count"], span.attributes["lineage.acknowledgement"]


def stages(mode):
    return [Stage("source", writes=["orders"]), Stage("share", ["orders"], ["out"], mode=mode)]


@pytest.mark.parametrize("mode", ["", "deserializing"])
def test_share_consumer(mode, broker, receiver):
    """Process spans tell how often a message was delivered and how it was acknowledged."""
    traced = run_both_ways([*stages(mode), Stage("sink", ["out"])], broker, receiver).assert_lineage()
    assert Counter(map(settlement, processes_of(traced))) == {(1, "accept"): 20}


def test_messages_that_are_given_back_or_given_up(broker, receiver):
    """Each delivery is a process span of its own in the event's trace, the last one's send is the effect."""
    traced = run_both_ways([*stages("failures"), Stage("sink", ["out"], count=17)], broker, receiver).assert_lineage()
    assert Counter(map(settlement, processes_of(traced))) == {
        (1, "accept"): 14,
        (1, "release"): 4,
        (2, "accept"): 3,
        (2, "reject"): 1,
        (1, "reject"): 2,
    }
    causes = [next(traced.chain(send)) for send in traced.sends.values() if send.service == "share"]
    assert {settlement(span)[1] for span in causes} == {"accept"}

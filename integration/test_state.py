"""State on real Kafka, in a group that is joined, over a restart."""

from support.run import Stage
from support.scenario import run_pipeline
from support.state import counts, told_reads, true_reads
from support.truth import assert_lineage


def test_a_database_of_the_applications_own(broker, receiver, tmp_path):
    """Sixty orders a day of three customers: on both days every read links to the last write, of whichever day."""
    days = [run_pipeline(stages(day, tmp_path), broker, receiver) for day in ("monday", "tuesday")]
    assert counts(days[0]) == {f"customer-{n}": list(range(1, 21)) for n in range(3)}
    assert counts(days[1]) == {f"customer-{n}": list(range(21, 41)) for n in range(3)}
    assert_lineage([made for day in days for made in day.made], receiver.spans)
    truth = true_reads(days[0]) | true_reads(days[1])
    assert told_reads(days, receiver.spans) == truth
    assert sum(writer is None for writer in truth.values()) == 3


def stages(day, directory):
    state = {"APP_STATE": str(directory)}
    return [
        Stage("source", writes=["orders"], count=60, mode="three customers", name=day),
        Stage("state_totals", ["orders"], ["totals"], 60, "rocksdict", "totals", joins=True, settings=state),
    ]

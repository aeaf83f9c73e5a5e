"""State in loops of the application's own: every read links to the event that wrote, and nothing else changes."""

import pytest
from support.run import Stage
from support.scenario import run_pipeline
from support.state import counts, told_reads, true_reads
from support.truth import assert_lineage

COUNT = 60


def stages(mode, directory, count=COUNT, day="monday", customers="three customers"):
    """A day's orders, and the totals of each customer so far."""
    return [
        Stage("source", writes=["orders"], count=count, mode=customers, name=day),
        Stage(
            "state_totals", ["orders"], ["totals"], count, mode, name="totals", settings={"APP_STATE": str(directory)}
        ),
    ]


def fresh(directory, name):
    made = directory / name
    made.mkdir()
    return made


@pytest.mark.parametrize("mode", ["dict", "mapping", "shelf", "rocksdict", "batches"])
def test_every_read_links_to_the_last_write(broker, receiver, tmp_path, mode):
    """Three keys, twenty events each: sixty traces, and the writers are those that the outputs name, all of them."""
    bare = run_pipeline(stages(mode, fresh(tmp_path, "bare")), broker)
    outcome = run_pipeline(stages(mode, fresh(tmp_path, "traced")), broker, receiver)
    assert counts(outcome) == counts(bare) == {f"customer-{n}": list(range(1, 21)) for n in range(3)}
    traced = outcome.assert_lineage()
    assert len({span.trace_id for span in traced.spans.values()}) == COUNT
    truth = true_reads(outcome)
    assert told_reads([outcome], receiver.spans) == truth
    assert sum(writer is None for writer in truth.values()) == 3


@pytest.mark.parametrize("mode", ["shelf", "rocksdict"])
def test_after_a_restart_reads_link_to_writes_before_it(broker, receiver, tmp_path, mode):
    """The same directory, another process."""
    days = [run_pipeline(stages(mode, tmp_path, 15, day), broker, receiver) for day in ("monday", "tuesday")]
    assert_lineage([made for day in days for made in day.made], receiver.spans)
    truth = true_reads(days[0]) | true_reads(days[1])
    assert told_reads(days, receiver.spans) == truth
    assert {writer.partition("-")[0] for writer in true_reads(days[1]).values()} == {"monday", "tuesday"}


@pytest.mark.parametrize("mode", ["shelf", "rocksdict"])
def test_state_is_the_same_with_and_without_the_agent(broker, receiver, tmp_path, mode):
    """Agent, none, agent on one directory: the totals go on, and what was written without it has no writer."""
    monday = run_pipeline(stages(mode, tmp_path, 10, "monday", ""), broker, receiver)
    tuesday = run_pipeline(stages(mode, tmp_path, 3, "tuesday", ""), broker)
    wednesday = run_pipeline(stages(mode, tmp_path, 10, "wednesday", ""), broker, receiver)
    assert counts(tuesday) == {f"customer-{n}": [3] for n in range(3)}
    assert counts(wednesday) == {f"customer-{n}": [4, 5] if n < 3 else [3, 4] for n in range(5)}
    truth = true_reads(monday) | true_reads(wednesday)
    known = {reader: writer if not str(writer).startswith("tuesday") else None for reader, writer in truth.items()}
    assert sum(writer is None for writer in known.values()) == 5 + 3
    assert told_reads([monday, tuesday, wednesday], receiver.spans) == known

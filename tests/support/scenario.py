"""Run a pipeline twice, without and with the agent, and see that the agent told the truth and changed nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from support.broker import Broker, Topics
from support.otlp import Span
from support.receiver import GrpcReceiver, Receiver
from support.run import Agent, Finished, Stage, run_stages
from support.truth import OWN_HEADERS, Made, Traced, assert_lineage, made_records


@dataclass(frozen=True)
class Outcome:
    """One run of a pipeline: what the applications printed, what the topics hold, what the spans say."""

    finished: Mapping[str, Finished]
    made: Sequence[Made]
    spans: Sequence[Span]
    topics: Topics
    stages: Sequence[Stage]

    def assert_lineage(self) -> Traced:
        """Hold the spans against the truth, and the receipts of the applications against the process spans."""
        return self.assert_lineage_beside()

    def assert_lineage_beside(self, *others: str) -> Traced:
        """The same, leaving out spans of these operations, which belong to no event."""
        complaints = [
            f"{name}: {each.stderr}" for name, each in self.finished.items() if "lineage" in each.stderr.lower()
        ]
        assert not complaints, "\n".join(complaints)
        unseen = {self.topics.full(name) for stage in self.stages if stage.bare for name in stage.writes}
        traced = assert_lineage(self.made, self.spans, beside=others, unseen=unseen)
        assert traced.received_by_service() == self.received(), "messages that were seen and process spans differ"
        return traced

    def received(self) -> dict[str, list[tuple[str, int, int]]]:
        """The records that each application under the agent was given."""
        seen = {
            name: sorted((line["topic"], line["partition"], line["offset"]) for line in each.lines)
            for name, each in self.finished.items()
            if name in {stage.service for stage in self.stages if not stage.bare}
        }
        return {name: records for name, records in seen.items() if records}

    def output(self) -> dict[str, list[Any]]:
        """What the applications saw, comparable between runs: no prefixes, no offsets, none of our headers."""
        return {
            name: sorted((_comparable(line, self.topics) for line in each.lines), key=str)
            for name, each in self.finished.items()
        }


def run_pipeline(
    stages: Sequence[Stage], broker: Broker, receiver: Receiver | GrpcReceiver | None = None, **settings: str
) -> Outcome:
    """Run the stages over topics of their own; under the agent if there is a receiver."""
    names = dict.fromkeys(name for stage in stages for name in (*stage.reads, *stage.writes))
    topics = broker.topics(*names)
    agent = Agent.reporting_to(receiver, **settings) if receiver else None
    if groups := [topics.full(stage.service) for stage in stages if stage.app == "share"]:
        broker.begin_share_groups_at_the_start(*groups)
    finished = run_stages(stages, topics, agent)
    return Outcome(finished, made_records(topics), receiver.spans if receiver else (), topics, stages)


def run_both_ways(
    stages: Sequence[Stage], broker: Broker, receiver: Receiver | GrpcReceiver, **settings: str
) -> Outcome:
    """Run without and with the agent, demand the same output, and give the outcome under the agent."""
    bare, traced = run_pipeline(stages, broker), run_pipeline(stages, broker, receiver, **settings)
    assert traced.output() == bare.output()
    return traced


def _comparable(line: Any, topics: Topics) -> Any:
    if not isinstance(line, dict) or "headers" not in line:
        return line
    headers = [header for header in line["headers"] or () if not _may_be_ours(*header)]
    return {**line, "topic": topics.short(line["topic"]), "offset": None, "headers": headers, "type": None}


def _may_be_ours(name: str, value: Any) -> bool:
    """Ours, or propagation that is ours to replace. A user's own `lineage-context` says `mine`."""
    return name in OWN_HEADERS and not (name == "lineage-context" and "mine" in str(value))

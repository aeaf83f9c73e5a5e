"""One event's trace, read back from Jaeger as a user would see it."""

import json
import time
from http import HTTPStatus
from urllib.error import HTTPError
from urllib.request import urlopen

from support.run import Agent, Stage, run_stages
from support.truth import made_records

EXPECTED = {
    "send orders": None,
    "process orders": "send orders",
    "send enriched": "process orders",
    "process enriched": "send enriched",
}


def test_jaeger_shows_one_trace_with_the_true_parents(broker, jaeger):
    """Through three processes, each span is a child of what caused it."""
    stages = [
        Stage("source", writes=["orders"], count=1),
        Stage("poll", ["orders"], ["enriched"], count=1),
        Stage("sink", ["enriched"], count=1),
    ]
    topics = broker.topics("orders", "enriched")
    run_stages(stages, topics, Agent("http://127.0.0.1:4318"))
    traceparent = dict(made_records(topics)[0].headers)["traceparent"].decode()
    spans = spans_in_jaeger(jaeger, traceparent.split("-")[1], len(EXPECTED))
    names = {span["spanID"]: span["operationName"].replace(topics.prefix, "") for span in spans}
    assert {names[span["spanID"]]: parent_in(span, names) for span in spans} == EXPECTED
    assert not any(span["warnings"] for span in spans if span["operationName"].startswith("send"))


def spans_in_jaeger(address, trace, count):
    deadline = time.monotonic() + 10
    while True:
        spans = read_spans(f"{address}/api/traces/{trace}")
        if len(spans) >= count or time.monotonic() > deadline:
            return spans
        time.sleep(0.1)


def read_spans(address):
    try:
        with urlopen(address) as answer:
            (found,) = json.load(answer)["data"]
    except HTTPError as error:
        if error.code != HTTPStatus.NOT_FOUND:
            raise
        # It has answered for the spans, and takes a moment to find them.
        return []
    return found["spans"]


def parent_in(span, names):
    parents = [names[each["spanID"]] for each in span["references"] if each["refType"] == "CHILD_OF"]
    assert len(parents) <= 1
    return parents[0] if parents else None

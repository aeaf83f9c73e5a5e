"""Quix Streams on the embedded broker: steps. What needs a changelog is in integration/."""

import importlib.util
from collections import Counter

import pytest
from support.run import Stage
from support.scenario import run_pipeline
from support.truth import assert_lineage

pytestmark = pytest.mark.skipif(importlib.util.find_spec("quixstreams") is None, reason="quixstreams is not installed")


def test_steps_and_outputs(broker, receiver, tmp_path):
    """Each function of the user's is a step, none of the library's is; each event is one trace that tells the truth."""
    settings = {"APP_STATE": str(tmp_path)}
    stages = [
        Stage("source", writes=["orders"]),
        Stage("quix_steps", ["orders"], ["parts"], settings=settings),
        Stage("sink", ["parts"], count=40),
    ]
    outcome = run_pipeline(stages, broker, receiver)
    assert_lineage(outcome.made, outcome.spans)
    steps = Counter(span.name for span in outcome.spans if "lineage.step" in span.attributes)
    assert steps == {"keep": 20, "len": 20, "lambda": 20, "split": 20, "tell": 40}

"""The scenarios of the embedded broker, on real Kafka: what is shown there must be true here."""

import pytest
from scenarios.test_delivery import floods, test_no_span_is_lost_at_full_speed  # noqa: F401
from scenarios.test_invisible import *  # noqa: F403
from scenarios.test_pipelines import *  # noqa: F403
from scenarios.test_pipelines import STYLES, assert_connected
from scenarios.test_precision import *  # noqa: F403


@pytest.mark.parametrize("style", STYLES)
def test_each_style_gives_connected_traces(style, broker, receiver):
    """All styles, not only the quick ones."""
    assert_connected(style, broker, receiver)

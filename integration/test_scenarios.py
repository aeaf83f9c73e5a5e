"""The scenarios of the embedded broker, on real Kafka: what is shown there must be true here."""

from scenarios.test_pipelines import *  # noqa: F403
from scenarios.test_precision import *  # noqa: F403

"""Every way to switch the agent on and off, alone and together: each send is recorded once, or not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from processes import LINEAGE, OPENTELEMETRY, python, run

# No broker is needed: a message that is purged ends its span, too.
HELPERS = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
memory = InMemorySpanExporter()
def collect():
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(memory))
def client():
    import confluent_kafka
    return confluent_kafka.Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
def send(topic="t", producer=None):
    producer = producer or client()
    producer.produce(topic, b"v")
    producer.purge()
    producer.flush(1)
def show():
    print(*[span.name for span in memory.get_finished_spans()], sep=",")
    memory.clear()
"""
SEND = "collect(); send(); show()"
INSTRUMENTOR = "from opentelemetry.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor as Instrumentor\n"


def printed(code: str, *launcher: str, **settings: str) -> list[str]:
    pytest.importorskip("confluent_kafka")
    return python(HELPERS + code, *launcher, **settings).split("\n")


@pytest.mark.parametrize(
    "launcher",
    [(LINEAGE,), (OPENTELEMETRY,), (LINEAGE, OPENTELEMETRY), (OPENTELEMETRY, LINEAGE), (LINEAGE, LINEAGE)],
    ids=str,
)
def test_every_launcher_traces_once(launcher: tuple[str, ...]) -> None:
    """Ours, OpenTelemetry's, and one inside the other."""
    assert printed(SEND, *launcher) == ["send t"]


def test_another_distro_may_be_chosen() -> None:
    """Then our instrumentation still replaces OpenTelemetry's of the same library."""
    assert printed(SEND, OPENTELEMETRY, OTEL_PYTHON_DISTRO="another") == ["send t"]


def test_another_configurator_may_be_chosen() -> None:
    """Then its provider is used; here it has set none."""
    ended = run(OPENTELEMETRY, sys.executable, "-c", f"{HELPERS}{SEND}", OTEL_PYTHON_CONFIGURATOR="another")
    assert ended.stdout == "send t\n"


def test_in_code_before_the_library_is_imported() -> None:
    """Twice on is once on; off is off; on again is on."""
    code = """
import lineage
print(lineage.instrument(), lineage.instrument())
collect(); send(); show()
lineage.uninstrument(); lineage.uninstrument(); send(); show()
lineage.instrument(); send(); show()
"""
    assert printed(code) == ["True True", "send t", "", "send t"]


def test_in_code_after_the_library_was_imported() -> None:
    """With the application's own provider, and its classes given back afterwards."""
    code = """
import confluent_kafka, lineage
class Mine(confluent_kafka.Producer): pass
before = confluent_kafka.Producer
trace.set_tracer_provider(TracerProvider()); collect()
lineage.instrument()
send(); send("mine", Mine({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})); show()
lineage.uninstrument()
print(confluent_kafka.Producer is before, Mine.__bases__ == (before,))
"""
    assert printed(code) == ["send t,send mine", "True True"]


def test_in_code_under_a_launcher() -> None:
    """Nothing changes."""
    assert printed(f"import lineage; lineage.instrument(); {SEND}", LINEAGE) == ["send t"]


def test_opentelemetrys_instrumentor_keeps_its_interface() -> None:
    """What it switches is our tracing."""
    code = f"""{INSTRUMENTOR}
collect(); Instrumentor().instrument(); Instrumentor().instrument(); send(); show()
producer = client()
print(Instrumentor().instrument_producer(producer) is producer, Instrumentor().is_instrumented_by_opentelemetry)
Instrumentor().uninstrument(); send(); show()
Instrumentor().instrument(); send(); show()
"""
    assert printed(code, LINEAGE) == ["send t", "True True", "", "send t"]


def test_opentelemetrys_instrumentor_is_taken_over_late() -> None:
    """Its own tracing ends when ours begins, also for clients that it traced already."""
    code = f"""{INSTRUMENTOR}
trace.set_tracer_provider(TracerProvider()); collect()
raw = client(); Instrumentor().instrument(); theirs = client()
import lineage; lineage.instrument()
send(); send("theirs", theirs); show()
proxy = Instrumentor().instrument_producer(raw); send("raw", proxy); show()
print(Instrumentor().uninstrument_producer(proxy) is raw)
"""
    assert printed(code) == ["send t,send theirs", "send raw", "True"]


@pytest.mark.parametrize("name", ["confluent-kafka", "confluent_kafka", "*"])
def test_a_disabled_instrumentation_is_off(name: str) -> None:
    """By either spelling; the SDK is there for others."""
    assert printed(SEND, LINEAGE, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=name) == [""]


def test_without_ours_opentelemetrys_own_is_on() -> None:
    """Disabling `lineage` gives what opentelemetry-instrument would give."""
    assert printed(SEND, LINEAGE, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="lineage") == ["t send"]


def test_one_patch_can_be_disabled() -> None:
    """By its title."""
    assert printed(SEND, LINEAGE, LINEAGE_PATCHES_DISABLED="confluent_kafka.cimpl.Producer") == [""]


@pytest.mark.parametrize("launcher", [LINEAGE, OPENTELEMETRY])
def test_a_disabled_sdk_disables_us(launcher: str) -> None:
    """Nothing is replaced."""
    code = "import confluent_kafka; print(confluent_kafka.Producer.__mro__[1].__name__)"
    assert printed(
        code, launcher, OTEL_SDK_DISABLED="true", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="confluent_kafka"
    ) == ["object"]


def test_other_exporters_are_the_sdks() -> None:
    """And get our spans."""
    assert '"name": "send t"' in "".join(printed("send()", LINEAGE, OTEL_TRACES_EXPORTER="console"))


def test_samplers_and_several_exporters() -> None:
    """As the variables say."""
    code = """
provider = trace.get_tracer_provider()
print(provider.sampler.get_description(), len(provider._active_span_processor._span_processors))
"""
    sampler = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
    assert printed(code, LINEAGE, OTEL_TRACES_EXPORTER="console,lineage_file", **sampler) == [
        "TraceIdRatioBased{0.5} 2"
    ]


def test_wrong_values_are_said_once() -> None:
    """Each on its line, and the rest works."""
    ended = run(LINEAGE, sys.executable, "-c", "print(1)", LINEAGE_KEYS="perhaps", LINEAGE_MAX_HOPS="none")
    assert ended.stdout == "1\n"
    assert ended.stderr.split("\n") == [
        "lineage: LINEAGE_KEYS='perhaps' is not off, plain or hashed; using off",
        "lineage: LINEAGE_MAX_HOPS='none' is not a whole number of at least 1; using 100",
        "",
    ]


def test_the_environment_is_left_as_it_was() -> None:
    """Apart from the path that children need, and the name that they inherit."""
    code = "import os; print(*sorted(name for name in os.environ if name.startswith(('OTEL', 'LINEAGE'))))"
    assert python(code, LINEAGE, OTEL_METRICS_EXPORTER="console", OTEL_TRACES_EXPORTER="none").split("\n")[0] == (
        "OTEL_METRICS_EXPORTER OTEL_TRACES_EXPORTER"
    )


NAME = "from opentelemetry import trace; print(trace.get_tracer_provider().resource.attributes['service.name'])"


def test_a_service_without_a_name_is_called_like_its_script(tmp_path: Path) -> None:
    """Or module; a name that was given wins."""
    (tmp_path / "orders.py").write_text(NAME)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__main__.py").write_text(NAME)
    path = {"PYTHONPATH": str(tmp_path)}
    commands = {"orders": [str(tmp_path / "orders.py")], "shop": ["-m", "shop"]}
    for name, command in commands.items():
        assert run(LINEAGE, sys.executable, *command, **path).stdout.strip() == name
    assert run(LINEAGE, sys.executable, *commands["orders"], OTEL_SERVICE_NAME="mine").stdout.strip() == "mine"
    assert python(NAME, LINEAGE).startswith("unknown_service")

"""The exporter against receivers that behave, and against those that do not."""

import asyncio
import json
import logging
import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, SpanContext, SpanKind
from support.memory import span_id, trace_id
from support.receiver import GrpcReceiver, Receiver

from lineage.agent.export.backlog import Limits
from lineage.agent.export.config import ExportSettings, build, table
from lineage.agent.export.exporter import Exporter
from lineage.agent.export.processor import ExporterProcessor
from lineage.agent.export.transport import HttpTransport, proxy_for
from lineage.agent.spans import LightSpan, Template

ROOT = Path(__file__).parents[3]
TEMPLATE = Template("send t", SpanKind.PRODUCER, {"messaging.system": "kafka"})


def light(number: int) -> LightSpan:
    span = LightSpan()
    span.template = TEMPLATE
    span.trace_id, span.span_id = trace_id(number + 1), span_id(number + 1)
    span.start_time, span.end_time = 10, 20
    span.partition, span.offset, span.size, span.timestamp, span.key = 1, number, None, None, None
    return span


def exporter_to(receiver: object, **env: str) -> Exporter:
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": receiver.protocol,
        **env,
    }
    exporter = build(variables, Resource({"service.name": "test"}))
    assert exporter is not None
    return exporter


def offsets(receiver: object) -> list[int]:
    return sorted(span.attributes["messaging.kafka.offset"] for span in receiver.spans)


@pytest.mark.parametrize("kind", [Receiver, GrpcReceiver])
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_spans_arrive(kind, compression):
    """Over both protocols, compressed or not."""
    with kind() as receiver:
        exporter = exporter_to(receiver, OTEL_EXPORTER_OTLP_COMPRESSION=compression)
        for number in range(10_000):
            exporter.add(light(number))
        assert exporter.flush(10)
        assert offsets(receiver) == list(range(10_000))
        assert (exporter.exported, exporter.dropped, exporter.failed_requests) == (10_000, 0, 0)
        assert exporter.shutdown(2)


def test_nothing_is_lost_with_many_threads():
    """16 threads at full speed, a queue that is always full: every span once."""
    with Receiver() as receiver:
        exporter = exporter_to(receiver, OTEL_BSP_MAX_QUEUE_SIZE="600")
        threads = [
            threading.Thread(target=add_all, args=(exporter, range(i * 3000, i * 3000 + 3000))) for i in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert exporter.shutdown(5)
        assert offsets(receiver) == list(range(48_000))


def add_all(exporter, numbers):
    for number in numbers:
        exporter.add(light(number))


@pytest.mark.parametrize(("delay", "count"), [(0.1, 60_000), (1.0, 100_000)])
def test_slow_receiver_loses_nothing(delay, count):
    """Up to a second for each answer, at full speed."""
    with Receiver("slow", delay) as receiver:
        exporter = exporter_to(receiver)
        add_all(exporter, range(count))
        assert exporter.shutdown(5)
        assert sum(receiver.count().values()) == count


def test_the_exit_does_not_wait_for_one_answer_after_the_other():
    """What is made at full speed arrives with the answers to the next requests, and each span once."""
    with Receiver("slow", 1.0) as receiver:
        exporter = exporter_to(receiver)
        add_all(exporter, range(100_000))
        begin = time.monotonic()
        assert exporter.flush_at_exit()
        assert time.monotonic() - begin < 1.8
        assert exporter.shutdown(0)
        assert offsets(receiver) == list(range(100_000))


def test_what_is_left_at_the_exit_is_sent_once(caplog):
    """Broken off, counted, and told with the time that was spent on it: the receiver may have it or not."""
    with Receiver() as receiver:
        exporter = exporter_to(receiver)
        exporter.add(light(0))
        assert exporter.flush(5)
        receiver.mode, receiver.delay = "slow", 2.5
        add_all(exporter, range(1, 6000))
        assert not exporter.flush_at_exit()
        assert not exporter.shutdown(0)
        assert (exporter.exported, exporter.dropped) == (1, 5999)
        assert "5999 spans were left at the exit, after 2.0 s of waiting" in caplog.text
        time.sleep(1)
        assert offsets(receiver) == list(range(6000))


@pytest.mark.parametrize("count", [4096, 4095])
def test_a_full_batch_does_not_wait(count):
    """Neither for more nor for the delay; what is less does, and is there at the next."""
    with Receiver() as receiver:
        exporter = exporter_to(receiver, OTEL_BSP_SCHEDULE_DELAY="60000")
        add_all(exporter, range(count))
        until = time.monotonic() + 1
        while time.monotonic() < until and exporter.exported < count:
            time.sleep(0.01)
        assert exporter.exported == (count if count == 4096 else 0)
        exporter.add(light(count))
        assert exporter.flush(2)
        assert offsets(receiver) == list(range(count + 1))
        exporter.shutdown(1)


def test_large_spans_do_not_wait():
    """A few of them are as much as a batch."""
    with Receiver() as receiver:
        exporter = exporter_to(receiver, OTEL_BSP_SCHEDULE_DELAY="60000")
        links = [Link(SpanContext(1, number + 1, False)) for number in range(1000)]
        for number in range(10):
            span = light(number)
            span.links = links
            exporter.add(span)
        until = time.monotonic() + 2
        while time.monotonic() < until and not exporter.exported:
            time.sleep(0.01)
        assert exporter.exported
        assert exporter.flush(2)
        assert offsets(receiver) == list(range(10))
        exporter.shutdown(1)


def test_a_flush_wakes_the_thread_whenever_it_comes():
    """Before it rests, while it does, and as it wakes."""
    with Receiver() as receiver:
        exporter = exporter_to(receiver, OTEL_BSP_SCHEDULE_DELAY="60000")
        begin = time.monotonic()
        for number in range(300):
            exporter.add(light(number))
            assert exporter.flush(3)
            time.sleep(0.001 * (number % 3))
        assert time.monotonic() - begin < 10
        assert offsets(receiver) == list(range(300))
        exporter.shutdown(1)


def test_a_flush_after_an_outage_wakes_the_thread():
    """What could not be made ready for it in advance goes out, too."""
    with Receiver("unavailable") as receiver:
        exporter = exporter_to(receiver, OTEL_BSP_SCHEDULE_DELAY="60000")
        exporter.add(light(0))
        exporter.flush(0.3)
        receiver.mode = "normal"
        exporter.add(light(1))
        assert exporter.flush(5)
        assert offsets(receiver) == [0, 1]
        exporter.shutdown(1)


def test_an_idle_exporter_ends_at_once(tmp_path):
    """The thread rests, and spans wait: the exit need not wait for the delay."""
    with Receiver() as receiver:
        code = """
        exporter.add(light(0)); exporter.flush(2)
        for n in range(1, 10): exporter.add(light(n))
        time.sleep(0.1)
        begin = time.monotonic()
        atexit.unregister(exporter._exits._end)
        atexit.register(lambda: print(time.monotonic() - begin, file=sys.stderr))
        atexit.register(exporter._exits._end)
        """
        _, told = run(code, receiver, tmp=tmp_path)
        assert float(told) < 0.5
        assert offsets(receiver) == list(range(10))


@pytest.mark.parametrize("mode", ["refusing", "unavailable", "hanging"])
def test_outage_is_one_line_and_no_wait(mode, caplog):
    """The application goes on, what does not fit is dropped and counted, and one line says what to do."""
    with Receiver(mode) as receiver, caplog.at_level(logging.WARNING, "lineage"):
        exporter = exporter_to(receiver)
        begin = time.monotonic()
        add_all(exporter, range(100_000))
        assert time.monotonic() - begin < 5
        begin = time.monotonic()
        assert not exporter.shutdown(1)
        assert time.monotonic() - begin < 1.3
        assert exporter.dropped == 100_000
        (record,) = caplog.records
        assert receiver.endpoint in record.getMessage()
        assert "OTEL_EXPORTER_OTLP_ENDPOINT" in record.getMessage()


def test_short_outage_loses_nothing(caplog):
    """503 is tried again until it works; the next outage is told again."""
    with Receiver("unavailable") as receiver:
        exporter = exporter_to(receiver)
        add_all(exporter, range(100))
        assert not exporter.flush(0.5)
        receiver.mode = "normal"
        assert exporter.flush(5)
        assert offsets(receiver) == list(range(100))
        receiver.mode = "unavailable"
        exporter.add(light(0))
        exporter.flush(0.5)
        assert len(caplog.records) == 2
        exporter.shutdown(0.1)


def test_refused_spans_are_not_sent_again(caplog, monkeypatch):
    """400 is final."""
    with Receiver() as receiver:
        monkeypatch.setattr(receiver, "accept", lambda path, body: 400)
        exporter = exporter_to(receiver)
        exporter.add(light(1))
        assert exporter.flush(5)
        assert (exporter.exported, exporter.dropped, exporter.failed_requests) == (0, 1, 1)
        assert "HTTP 400" in caplog.text
        exporter.shutdown(1)


def test_retry_after_is_honoured(monkeypatch):
    """The receiver says when."""
    times = []

    def accept(path, body):
        times.append(time.monotonic())
        return 429 if len(times) == 1 else 200

    with Receiver() as receiver:
        monkeypatch.setattr(receiver, "accept", accept)
        original = receiver._server.RequestHandlerClass.send_header
        monkeypatch.setattr(
            receiver._server.RequestHandlerClass,
            "send_header",
            lambda self, name, value: (
                (original(self, "Retry-After", "1"), original(self, name, value))
                if name == "Content-Type"
                else original(self, name, value)
            ),
        )
        exporter = exporter_to(receiver)
        exporter.add(light(1))
        assert exporter.flush(5)
        assert 0.95 < times[1] - times[0] < 2
        exporter.shutdown(1)


def test_stale_connection_loses_and_doubles_nothing():
    """A receiver that closes idle connections."""
    with Receiver() as receiver:
        exporter = exporter_to(receiver)
        handler = receiver._server.RequestHandlerClass
        original = handler.timeout
        handler.timeout = 0.2
        try:
            for number in range(3):
                exporter.add(light(number))
                assert exporter.flush(3)
                time.sleep(0.4)
        finally:
            handler.timeout = original
        assert offsets(receiver) == [0, 1, 2]
        assert exporter.failed_requests == 0
        exporter.shutdown(1)


def test_event_loop_is_never_waited_on():
    """With no room and a receiver that answers slowly, a running loop drops instead of waiting."""
    with Receiver("slow", 1.0) as receiver:
        transport = HttpTransport(f"{receiver.endpoint}/v1/traces")
        exporter = Exporter(Resource({}), transport, Limits(spans=100, batch=100, encoded_size=1000, senders=1))

        async def produce() -> float:
            worst = 0.0
            for number in range(5000):
                begin = time.perf_counter()
                exporter.add(light(number))
                worst = max(worst, time.perf_counter() - begin)
            return worst

        assert asyncio.run(produce()) < 0.024
        assert exporter.dropped > 1000
        exporter.shutdown(0.1)


def test_waiting_is_bounded():
    """At most 50 ms in any second for a thread that could wait for ever."""
    with Receiver("slow", 1.0) as receiver:
        transport = HttpTransport(f"{receiver.endpoint}/v1/traces")
        exporter = Exporter(Resource({}), transport, Limits(spans=100, batch=100, encoded_size=1000, senders=1))
        begin, waited = time.monotonic(), 0.0
        while time.monotonic() - begin < 1:
            moment = time.perf_counter()
            exporter.add(light(0))
            took = time.perf_counter() - moment
            waited += took if took > 0.001 else 0
        assert waited < 0.1  # 50 ms, and what the scheduler adds
        exporter.shutdown(0.1)


def test_large_spans_are_bounded():
    """Spans with a thousand links each stay within the limits in bytes."""
    with Receiver("refusing") as receiver:
        exporter = exporter_to(receiver)
        links = [Link(SpanContext(1, number + 1, False)) for number in range(1000)]
        for number in range(1000):
            span = light(number)
            span.links = list(links)
            exporter.add(span)
        assert exporter._backlog.waiting() < 20
        assert exporter.dropped > 800
        exporter.shutdown(0.1)


def test_spans_of_the_sdk_go_the_same_way():
    """A user's spans, by their scopes."""
    with Receiver() as receiver:
        exporter = exporter_to(receiver)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(ExporterProcessor(exporter))
        with provider.get_tracer("mine").start_as_current_span("theirs"):
            exporter.add(light(1))
        assert provider.force_flush(5000)
        assert {span.name for span in receiver.spans} == {"theirs", "send t"}
        provider.shutdown()
        exporter.add(light(2))
        assert exporter.shutdown(2)
        assert len(receiver.spans) == 3


def test_after_shutdown_spans_are_counted_only():
    """Late spans do not pile up."""
    with Receiver() as receiver:
        exporter = exporter_to(receiver)
        exporter.add(light(1))
        assert exporter.shutdown(2)
        add_all(exporter, range(10))
        assert exporter.dropped == 10
        assert exporter._backlog.is_empty()


def test_hostile_spans_do_not_raise():
    """What is no span at all is dropped and counted, and the others arrive."""
    with Receiver() as receiver:
        exporter = exporter_to(receiver)
        for wild in (None, 1, object()):
            exporter.add(wild)
        broken = light(0)
        broken.links = [None]
        exporter.add(broken)
        exporter.add(light(7))
        exporter.flush(5)
        assert offsets(receiver) == [7]
        assert exporter.dropped == 4
        exporter.shutdown(1)


def test_file_has_a_request_a_line(tmp_path):
    """OTLP JSON, readable as such."""
    path = tmp_path / "out.jsonl"
    exporter = build({"OTEL_TRACES_EXPORTER": "lineage_file", "LINEAGE_FILE_PATH": str(path)}, Resource({}))
    assert exporter is not None
    exporter.add(light(2**40))
    assert exporter.flush(5)
    exporter.add(light(1))
    assert exporter.shutdown(2)
    first, second = map(json.loads, path.read_text().splitlines())
    span = first["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert span["traceId"] == f"{2**40 + 1:032x}"
    assert {"key": "messaging.kafka.offset", "value": {"intValue": str(2**40)}} in span["attributes"]
    assert second


def child(exporter, numbers):
    add_all(exporter, numbers)


@pytest.mark.parametrize("protocol", [Receiver, GrpcReceiver])
def test_forked_children_send_their_own(protocol):
    """Spans of a parent stay its own, those of children go out before they end."""
    if protocol is GrpcReceiver:
        pytest.skip("the receiver's own gRPC threads would be forked too")
    with protocol() as receiver:
        exporter = exporter_to(receiver, OTEL_BSP_SCHEDULE_DELAY="300")
        add_all(exporter, range(10))
        context = multiprocessing.get_context("fork")
        children = [context.Process(target=child, args=(exporter, range(100 * i, 100 * i + 10))) for i in (1, 2, 3)]
        for process in children:
            process.start()
        for process in children:
            process.join(10)
            assert process.exitcode == 0
        assert exporter.shutdown(2)
        assert offsets(receiver) == [*range(10), *range(100, 110), *range(200, 210), *range(300, 310)]


APPLICATION = """
import atexit, os, sys, threading, time
sys.path[:0] = [{source!r}, {tests!r}]
from opentelemetry.sdk.resources import Resource
from lineage.agent.export.config import build
from test_export_exporter import light
exporter = build(os.environ, Resource({{}}))
"""


def run(code: str, receiver: object, tmp: Path) -> tuple[float, str]:
    """Run an application in its own process; seconds, and what it wrote to stderr."""
    head = APPLICATION.format(source=str(ROOT / "src"), tests=str(Path(__file__).parent))
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "tests"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": receiver.protocol,
    }
    script = tmp / f"application_{os.getpid()}.py"
    script.write_text(head + textwrap.dedent(code))
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(script)], env=env, capture_output=True, text=True, timeout=60, check=True
    )
    return time.monotonic() - begin, done.stderr


@pytest.mark.parametrize("kind", [Receiver, GrpcReceiver])
def test_exit_flushes(kind, tmp_path):
    """At the end, from thread pools, and from exit handlers of the application."""
    with kind() as receiver:
        run(
            """
            from concurrent.futures import ThreadPoolExecutor
            atexit.register(lambda: exporter.add(light(3)))
            exporter.add(light(1))
            ThreadPoolExecutor().submit(lambda: (time.sleep(0.3), exporter.add(light(2))))
            """,
            receiver,
            tmp=tmp_path,
        )
        assert offsets(receiver) == [1, 2, 3]


def test_first_span_at_the_exit_arrives(tmp_path):
    """When no thread can start any more, the exit sends by itself."""
    with Receiver() as receiver:
        run("atexit.register(lambda: exporter.add(light(3)))", receiver, tmp=tmp_path)
        assert offsets(receiver) == [3]


@pytest.mark.parametrize("mode", ["refusing", "hanging", "unavailable"])
def test_exit_is_bounded_and_told_on_stderr(mode, tmp_path):
    """Two seconds at most, one line, without any logging configured."""
    code = """
    for n in range(50_000): exporter.add(light(n))
    begin = time.monotonic()
    atexit.unregister(exporter._exits._end)
    atexit.register(lambda: print(time.monotonic() - begin, file=sys.stderr))
    atexit.register(exporter._exits._end)
    """
    with Receiver(mode) as receiver:
        _, errors = run(code, receiver, tmp=tmp_path)
        *lines, seconds = errors.splitlines()
        assert len(lines) == 1
        assert "spans cannot be exported" in lines[0]
        assert float(seconds) < 2.2


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_flush(method, tmp_path):
    """They end with os._exit, and flush before."""
    code = f"""
    import multiprocessing
    def work(n):
        exporter.add(light(n))
    if __name__ == "__main__":
        context = multiprocessing.get_context({method!r})
        exporter.add(light(1))
        children = [context.Process(target=work, args=(n,)) for n in (2, 3)]
        for one in children: one.start()
        for one in children: one.join()
    """
    with Receiver() as receiver:
        run(code, receiver, tmp=tmp_path)
        assert offsets(receiver) == [1, 2, 3]


def test_plain_fork_flushes_at_exit(tmp_path):
    """os.fork, and an ordinary end of the child."""
    with Receiver() as receiver:
        run(
            """
            exporter.add(light(1)); exporter.flush(2); exporter.add(light(2))
            if not os.fork():
                exporter.add(light(3))
            else:
                os.wait()
            """,
            receiver,
            tmp=tmp_path,
        )
        assert offsets(receiver) == [1, 2, 3]


def test_settings_read_both_forms():
    """The variable for traces counts before the general one, and its endpoint is taken as it is."""
    general = ExportSettings.from_env({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:1/"})
    assert general.transport({}).endpoint == "http://a:1/v1/traces"
    both = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:1", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b:2/x"}
    assert ExportSettings.from_env(both).transport({}).endpoint == "http://b:2/x"
    assert ExportSettings.from_env({"OTEL_EXPORTER_OTLP_HEADERS": "a=b%20c"}).headers == {"a": "b c"}
    assert ExportSettings.from_env({"OTEL_BSP_SCHEDULE_DELAY": "500"}).limits().delay == 0.5


def test_settings_refuse_in_one_line():
    """A wrong value is named, with the default; headers, which may be secrets, are not shown."""
    settings = ExportSettings.from_env({"OTEL_EXPORTER_OTLP_PROTOCOL": "soap", "OTEL_BSP_MAX_QUEUE_SIZE": "many"})
    assert len(settings.problems) == 2
    assert "http/protobuf or grpc" in settings.problems[0]
    assert settings.transport({}).endpoint == "http://localhost:4318/v1/traces"


def test_no_exporter_when_spans_go_elsewhere():
    """`none` and `console` are not ours."""
    assert build({"OTEL_TRACES_EXPORTER": "none"}, Resource({})) is None
    assert build({"OTEL_TRACES_EXPORTER": "console"}, Resource({})) is None


def test_proxies():
    """The usual variables."""
    env = {"http_proxy": "proxy:3128", "NO_PROXY": "localhost,.inner"}
    assert proxy_for("http://far:4318/v1/traces", env) == "http://proxy:3128"
    assert proxy_for("http://localhost:4318", env) is None
    assert proxy_for("http://a.inner:4318", env) is None
    assert proxy_for("https://far", env) is None


def test_table_names_each_variable_once():
    """For the documentation."""
    names = [name for name, _, _ in table()]
    assert len(names) == len(set(names)) == 16 - 1

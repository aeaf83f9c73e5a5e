"""The exporter's configuration: OpenTelemetry's variables, read once, with the meaning they have for its SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.sdk.resources import Resource

from lineage.agent.export.backlog import Limits
from lineage.agent.export.exporter import Exporter
from lineage.agent.export.sender import Transport
from lineage.agent.export.transport import HttpTransport, Tls, proxy_for
from lineage.agent.settings import _boolean, _number, _one_of, _words

OTLP, FILE, NONE = "otlp", "lineage_file", "none"
HTTP, GRPC = "http/protobuf", "grpc"
_OTLP = "OTEL_EXPORTER_OTLP_"
_OTLP_TRACES = "OTEL_EXPORTER_OTLP_TRACES_"


def _setting(variable: str, default: Any, parse: Callable[[str], Any], shown: str, doc: str) -> Any:
    return field(default=default, metadata={"variable": variable, "parse": parse, "shown": shown, "doc": doc})


def _milliseconds(text: str) -> float:
    return float(_number(float, 1)(text)) / 1000


def _url(text: str) -> str:
    if "://" in text and (urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname):
        raise ValueError("a URL with http or https")
    return text


def _headers(text: str) -> Mapping[str, str]:
    from opentelemetry.util.re import parse_env_headers

    return dict(parse_env_headers(text, liberal=True))


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """Where and how spans are exported; `problems` has one line for each value that was refused."""

    exporters: tuple[str, ...] = _setting(
        "OTEL_TRACES_EXPORTER",
        (OTLP,),
        lambda text: tuple(word.lower() for word in _words(text)),
        OTLP,
        "Where spans go: `otlp`, `lineage_file` (JSON, to `LINEAGE_FILE_PATH`), `none`; others: see OpenTelemetry.",
    )
    file_path: str = _setting(
        "LINEAGE_FILE_PATH", "lineage.jsonl", str, "lineage.jsonl", "The file that `lineage_file` appends to."
    )
    protocol: str = _setting(
        "OTEL_EXPORTER_OTLP_PROTOCOL", HTTP, _one_of(HTTP, GRPC), HTTP, "`http/protobuf`, or `grpc` (needs grpcio)."
    )
    endpoint: str = _setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        _url,
        "http://localhost:4318, for gRPC 4317",
        "The receiver. Over HTTP `/v1/traces` is added, but not to OTEL_EXPORTER_OTLP_TRACES_ENDPOINT.",
    )
    headers: Mapping[str, str] = _setting(
        "OTEL_EXPORTER_OTLP_HEADERS",
        None,
        _headers,
        "",
        "Headers for each request: `name=value`, separated by commas, URL-encoded.",
    )
    timeout: float = _setting(
        "OTEL_EXPORTER_OTLP_TIMEOUT", 10.0, _number(float, 0.001), "10", "The limit for one request, in seconds."
    )
    compression: str = _setting(
        "OTEL_EXPORTER_OTLP_COMPRESSION", "none", _one_of("none", "gzip"), "none", "`gzip` or `none`."
    )
    certificate: str | None = _setting(
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        None,
        str,
        "the system's",
        "A file with the authority of the receiver's certificate (PEM).",
    )
    client_certificate: str | None = _setting(
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", None, str, "", "A file with our own certificate (PEM)."
    )
    client_key: str | None = _setting("OTEL_EXPORTER_OTLP_CLIENT_KEY", None, str, "", "A file with its key (PEM).")
    insecure: bool | None = _setting(
        "OTEL_EXPORTER_OTLP_INSECURE",
        None,
        _boolean,
        "",
        "gRPC without TLS, for an endpoint without http:// or https://.",
    )
    delay: float | None = _setting(
        "OTEL_BSP_SCHEDULE_DELAY", None, _milliseconds, "1000", "The longest time (ms) that a span waits for others."
    )
    batch: int | None = _setting(
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", None, _number(int, 1), "4096", "The most spans in one request."
    )
    queue: int | None = _setting(
        "OTEL_BSP_MAX_QUEUE_SIZE", None, _number(int, 1), "8192", "The most spans that wait to be encoded."
    )
    export_timeout: float | None = _setting(
        "OTEL_BSP_EXPORT_TIMEOUT", None, _milliseconds, "30000", "A further limit for one request, in ms."
    )
    whole_endpoint: bool = False
    problems: tuple[str, ...] = ()

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> ExportSettings:
        """Read the variables; a value that cannot be used becomes a line in `problems` and leaves the default."""
        values: dict[str, Any] = {}
        problems: list[str] = []
        for setting in fields(cls):
            if setting.metadata:
                _read(env, setting.name, setting.metadata, values, problems)
        whole = bool(env.get(f"{_OTLP_TRACES}ENDPOINT", "").strip())
        return cls(**values, whole_endpoint=whole, problems=tuple(problems))

    def limits(self) -> Limits:
        """The bounds of the queue, with what was set."""
        limits = Limits()
        batch = min(self.batch or limits.batch, self.queue or limits.spans)
        return limits._replace(spans=self.queue or limits.spans, batch=batch, delay=self.delay or limits.delay)

    def transport(self, env: Mapping[str, str]) -> Transport:
        """The way to the receiver or file; `env` has the proxies."""
        if FILE in self.exporters:
            from lineage.agent.export.file import FileTransport

            return FileTransport(self.file_path)
        tls = Tls(self.certificate, self.client_certificate, self.client_key)
        timeout = min(self.timeout, self.export_timeout or self.timeout)
        if self.protocol == GRPC:
            return self._grpc(tls, timeout)
        url = self._url()
        return HttpTransport(url, self.headers or {}, timeout, self.compression == "gzip", tls, proxy_for(url, env))

    def _url(self) -> str:
        base = self.endpoint or "http://localhost:4318"
        base = base if "://" in base else f"http://{base}"
        return base if self.whole_endpoint else f"{base.rstrip('/')}/v1/traces"

    def _grpc(self, tls: Tls, timeout: float) -> Transport:
        from lineage.agent.export.grpc import GrpcTransport

        endpoint = self.endpoint or "http://localhost:4317"
        # The scheme decides; the variable is for endpoints that have none.
        insecure = endpoint.startswith("http://") or (not endpoint.startswith("https://") and bool(self.insecure))
        return GrpcTransport(endpoint, self.headers or {}, timeout, self.compression == "gzip", tls, insecure)


def _read(
    env: Mapping[str, str], name: str, metadata: Mapping[str, Any], values: dict[str, Any], problems: list[str]
) -> None:
    for variable in _names(metadata["variable"]):
        text = env.get(variable, "").strip()
        if not text:
            continue
        try:
            values[name] = metadata["parse"](text)
        except ValueError as expected:
            shown = "hidden" if name == "headers" else repr(text)
            problems.append(f"{variable}={shown} is not {expected}; using {metadata['shown'] or 'the default'}")
        return


def _names(variable: str) -> tuple[str, ...]:
    """The variable for traces alone counts before the one for all signals."""
    if variable.startswith(_OTLP):
        return variable.replace(_OTLP, _OTLP_TRACES), variable
    return (variable,)


def build(env: Mapping[str, str], resource: Resource) -> Exporter | None:
    """The exporter that the environment asks for; None if spans go elsewhere or nowhere."""
    settings = ExportSettings.from_env(env)
    if OTLP not in settings.exporters and FILE not in settings.exporters:
        return None
    return Exporter(resource, settings.transport(env), settings.limits())


def table() -> list[tuple[str, str, str]]:
    """Rows for the documentation: variable, default, meaning."""
    return [
        (s.metadata["variable"], s.metadata["shown"], s.metadata["doc"]) for s in fields(ExportSettings) if s.metadata
    ]

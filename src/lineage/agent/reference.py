"""The table of variables: ``lineage config``, and the page in the documentation made from it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from lineage.agent import settings
from lineage.agent.export import config

Table = list[tuple[str, str, str]]

HEAD = """# Configuration

<!-- Made by `lineage config --markdown`: change the code, not this page. -->

The environment is all there is. `lineage-instrument` also takes every variable as an option: `--traces_sampler
always_off` is `OTEL_TRACES_SAMPLER=always_off`, and `--lineage_keys plain` is `LINEAGE_KEYS=plain`. A value that cannot
be used gives one line on stderr at start, and the default counts. `lineage doctor` shows what is set, and what
came of it.
"""

TELEMETRY: Table = [
    ("OTEL_SDK_DISABLED", "false", "`true` switches everything off: nothing of ours runs."),
    (
        "OTEL_SERVICE_NAME",
        "the script's name",
        (
            "The service in the traces. If neither it nor `service.name` in `OTEL_RESOURCE_ATTRIBUTES` is set, "
            "`python app.py` is `app`, `python -m shop.orders` is `shop.orders`, and children without a script "
            "are called like their parent."
        ),
    ),
    ("OTEL_RESOURCE_ATTRIBUTES", "", "What else to say of the service: `name=value`, separated by commas."),
    ("OTEL_TRACES_SAMPLER", "parentbased_always_on", "Which traces to record. Samplers of other packages work, too."),
    ("OTEL_TRACES_SAMPLER_ARG", "", "The sampler's argument, as the ratio of `traceidratio`."),
    ("OTEL_PROPAGATORS", "tracecontext,baggage", "The headers in which trace contexts travel."),
    (
        "OTEL_METRICS_EXPORTER, OTEL_LOGS_EXPORTER",
        "none",
        "As with OpenTelemetry, but off unless set: trace receivers may refuse them. `otlp` is over HTTP by default.",
    ),
    (
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
        "",
        "Instrumentations to leave off, separated by commas: `*` for all, `lineage` for ours, else a library's name.",
    ),
    ("OTEL_CONFIG_FILE", "", "OpenTelemetry's declarative configuration. It then decides where spans go."),
    (
        "OTEL_PYTHON_DISTRO, OTEL_PYTHON_CONFIGURATOR",
        "lineage",
        "Another distribution or configurator, whose provider we then use.",
    ),
]

SECTIONS = (
    ("Lineage", "What is recorded and propagated.", settings.table),
    ("Export", "Where spans go. `OTEL_EXPORTER_OTLP_TRACES_...` counts before `OTEL_EXPORTER_OTLP_...`.", config.table),
    (
        "OpenTelemetry",
        "Every other variable of OpenTelemetry means what it means there; these are the ones to know.",
        lambda: TELEMETRY,
    ),
)


def markdown() -> str:
    """The page ``docs/configuration.md``."""
    return HEAD + "".join(f"\n## {title}\n\n{about}\n\n{_markdown_table(table())}" for title, about, table in SECTIONS)


def text(env: Mapping[str, str]) -> str:
    """For a terminal, with what is set here."""
    return "\n".join(f"{title}\n\n{''.join(_entry(*row, env) for row in table())}" for title, _, table in SECTIONS)


def _markdown_table(table: Table) -> str:
    rows = [f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |" for name, default, meaning in table]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows]) + "\n"


def _entry(name: str, default: str, meaning: str, env: Mapping[str, str]) -> str:
    head = f"  {name}" + (f" (default {default})" if default else "") + (" - set" if env.get(name) else "")
    return (
        f"{head}\n{textwrap.fill(meaning.replace('`', ''), 78, initial_indent='      ', subsequent_indent='      ')}\n"
    )

"""``lineage``: one function per command."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from lineage.model.errors import LineageError, UsageError

OK, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None, stdout: TextIO = sys.stdout, stderr: TextIO = sys.stderr) -> int:
    """Run a command; its result is the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments, stdout)
    except LineageError as error:
        stderr.write(f"lineage {arguments.command}: {error}\n")
        return MISTAKE if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code


def doctor(_: argparse.Namespace, stdout: TextIO) -> int:
    """Show what was found, what is patched, where spans go, and why something is not active."""
    from lineage.agent.doctor import examine

    report = examine(os.environ)
    stdout.write(report.text())
    return FAILED if report.problems else OK


def demo(arguments: argparse.Namespace, stdout: TextIO) -> int:
    """Run a small pipeline under the agent and show one event's trace."""
    from lineage.demo import show

    return show(arguments.bootstrap, stdout, os.environ)


def tree(arguments: argparse.Namespace, stdout: TextIO) -> int:
    """Print traces from an OTLP JSON file as trees."""
    from lineage.views import rows, style
    from lineage.views import tree as trees

    try:
        with sys.stdin if arguments.file == "-" else Path(arguments.file).open(encoding="utf-8") as lines:
            found = list(rows.read(lines))
    except OSError as error:
        raise UsageError(f"cannot read {arguments.file}: {error.strerror}") from error
    width = shutil.get_terminal_size().columns if stdout.isatty() else 80
    text = trees.render(found, arguments.trace.lower(), width, style.paint_for(stdout, os.environ))
    if not text:
        wanted = f"trace {arguments.trace}" if arguments.trace else "spans"
        raise UsageError(f"no {wanted} in {arguments.file}")
    stdout.write(text)
    return OK


def config(arguments: argparse.Namespace, stdout: TextIO) -> int:
    """Explain the variables that configure the agent."""
    from lineage.agent import reference

    stdout.write(reference.markdown() if arguments.markdown else reference.text(os.environ))
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lineage", description="Event lineage for Kafka pipelines.")
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command in (demo, doctor, tree, config):
        added = commands.add_parser(command.__name__, help=command.__doc__, description=command.__doc__)
        added.set_defaults(run=command)
    of = commands.choices
    of["demo"].add_argument("--bootstrap", metavar="HOST:PORT", help="use this Kafka instead of an embedded broker")
    of["tree"].add_argument("file", metavar="FILE", help="OTLP JSON, one request a line; - for the standard input")
    of["tree"].add_argument("--trace", metavar="ID", default="", help="only the trace whose id begins so")
    of["config"].add_argument("--markdown", action="store_true", help="as the page in the documentation")
    return parser


class _Version(argparse.Action):
    """Looks the version up only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from lineage import __version__

        parser.exit(message=f"lineage {__version__}\n")

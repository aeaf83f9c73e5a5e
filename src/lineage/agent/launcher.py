"""``lineage-instrument [options] command ...``: set the environment, become the command.

Nothing is imported that starting a command does not need, not even typing or pathlib: the command waits for us.
"""

from __future__ import annotations

import os
import sys

from lineage.model.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence
    from typing import NoReturn, TextIO

PROGRAM = "lineage-instrument"
USAGE = f"usage: {PROGRAM} [options] command [arguments]\n"
ABOUT = """
Runs a Python program so that every Kafka event it handles becomes part of one connected OpenTelemetry trace. Its child
processes are traced, too. The options stand for environment variables, and win over them; `lineage config` explains
these, `lineage doctor` shows what is active.
"""
AUTOLOAD = os.path.join(os.path.dirname(__file__), "autoload")  # noqa: PTH118, PTH120 - see above
MISTAKE, NOT_EXECUTABLE, NOT_FOUND = 2, 126, 127


def main(argv: Sequence[str] | None = None, stdout: TextIO = sys.stdout, stderr: TextIO = sys.stderr) -> int:
    """Run the command; returns only if that is not possible."""
    try:
        return _run(list(sys.argv[1:] if argv is None else argv), stdout)
    except UsageError as error:
        stderr.write(f"{PROGRAM}: {error}\n")
        return MISTAKE
    except FileNotFoundError as error:
        stderr.write(f"{PROGRAM}: {error}\n")
        return NOT_FOUND
    except PermissionError as error:
        stderr.write(f"{PROGRAM}: {error}\n")
        return NOT_EXECUTABLE


def _run(arguments: list[str], stdout: TextIO) -> int:
    variables, command = parse(arguments)
    if command == ["--help"]:
        stdout.write(help_text())
        return 0
    if command == ["--version"]:
        from lineage import __version__

        stdout.write(f"{PROGRAM} {__version__}\n")
        return 0
    os.environ.update(variables)
    put_in_front(os.environ)
    stdout.flush()
    return become(command)


def parse(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The variables that the options set, and the command: or ``--help`` or ``--version`` alone."""
    variables: dict[str, str] = {}
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option == "--":
            break
        if option in ("-h", "--help", "--version"):
            return {}, ["--help" if option == "-h" else option]
        name, equals, value = option.partition("=")
        if not equals:
            if not rest:
                raise UsageError(f"{name} needs a value")
            value = rest.pop(0)
        variables[_variable(name)] = value
    if not rest:
        raise UsageError(f"no command\n{USAGE}Try {PROGRAM} --help")
    return variables, rest


def _variable(option: str) -> str:
    known = options()
    name = option.removeprefix("--").replace("-", "_").lower()
    if name in known:
        return known[name]
    from difflib import get_close_matches

    similar = get_close_matches(name, known, n=1)
    hint = f", did you mean --{similar[0]}?" if similar else f"; try {PROGRAM} --help"
    raise UsageError(f"unknown option {option}{hint}")


def options() -> dict[str, str]:
    """Option -> variable, for every variable that an installed OpenTelemetry package declares, and for ours."""
    import re

    from opentelemetry.util._importlib_metadata import entry_points

    modules = [each.load() for each in entry_points(group="opentelemetry_environment_variables")]
    variables = {name for module in modules for name in dir(module) if name.startswith(("OTEL_", "LINEAGE_"))}
    return {re.sub("^OTEL_(PYTHON_)?", "", name).lower(): name for name in sorted(variables)}


def help_text() -> str:
    """What ``--help`` prints."""
    rows = [(f"--{option} VALUE", variable) for option, variable in options().items()]
    width = max(len(option) for option, _ in rows)
    lines = [f"  {'--help':{width}}  this text", f"  {'--version':{width}}  the version"]
    lines += [f"  {option:{width}}  {variable}" for option, variable in rows]
    return f"{USAGE}{ABOUT}\noptions:\n" + "\n".join(lines) + "\n"


def become(command: list[str]) -> NoReturn:
    """Run the program that a shell would start."""
    name = command[0]
    try:
        # The command's own first argument, not the path: a virtual environment's Python finds itself by it.
        os.execvp(name, command)  # noqa: S606 - running the user's command is the purpose
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        if isinstance(error, PermissionError) or os.path.isfile(name):  # noqa: PTH113 - see above
            hint = f", did you mean: {PROGRAM} python {name}" if name.endswith(".py") else ""
            raise PermissionError(f"{name} is not executable{hint}") from None
        raise FileNotFoundError(f"{name}: no such command") from None


def put_in_front(env: MutableMapping[str, str]) -> None:
    """Let every Python started in this environment find our sitecustomize first."""
    path = env.get("PYTHONPATH")
    # An empty entry inside the variable means the current folder, an empty variable means nothing.
    entries = [entry for entry in path.split(os.pathsep) if entry != AUTOLOAD] if path else []
    env["PYTHONPATH"] = os.pathsep.join([AUTOLOAD, *entries])


if __name__ == "__main__":
    sys.exit(main())

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from processes import LINEAGE, python, run

from lineage.agent import environment, launcher, reference, settings
from lineage.agent.launcher import AUTOLOAD, parse, put_in_front
from lineage.model.errors import UsageError


def test_options_become_variables() -> None:
    """OpenTelemetry's and ours, with an equals sign or without, up to the command."""
    variables, command = parse(
        ["--traces_exporter", "console", "--lineage-keys=plain", "python", "app.py", "--lineage_keys", "off"]
    )
    assert variables == {"OTEL_TRACES_EXPORTER": "console", "LINEAGE_KEYS": "plain"}
    assert command == ["python", "app.py", "--lineage_keys", "off"]


def test_two_dashes_end_the_options() -> None:
    """What follows is the command, whatever it looks like."""
    assert parse(["--", "--odd"]) == ({}, ["--odd"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "no command"),
        (["--lineage_keys"], "needs a value"),
        (["--lineage_key", "x", "true"], "did you mean --lineage_keys?"),
    ],
)
def test_mistakes_are_named(arguments: list[str], complaint: str) -> None:
    """With what was probably meant."""
    with pytest.raises(UsageError, match=complaint.replace("?", r"\?")):
        parse(arguments)


def test_every_setting_is_an_option() -> None:
    """The names for launchers are those of the table."""
    documented = {name for _, _, table in reference.SECTIONS for name, _, _ in table() if name.startswith("LINEAGE_")}
    assert {name for name in vars(environment) if name.startswith("LINEAGE_")} == documented
    assert {name for name, _, _ in settings.table()} <= set(launcher.options().values())


def test_no_name_of_opentelemetry_is_declared_twice() -> None:
    """opentelemetry-instrument refuses to start if two packages declare the same variable."""
    assert not [name for name in vars(environment) if name.startswith("OTEL_")]


def test_the_path_is_put_in_front_once() -> None:
    """Entries that were there stay, an empty one inside too, as it means the current folder."""
    env = {"PYTHONPATH": os.pathsep.join(["/a", "", AUTOLOAD])}
    put_in_front(env)
    put_in_front(env)
    assert env["PYTHONPATH"].split(os.pathsep) == [AUTOLOAD, "/a", ""]
    bare: dict[str, str] = {"PYTHONPATH": ""}
    put_in_front(bare)
    assert bare["PYTHONPATH"] == AUTOLOAD


@pytest.mark.parametrize(
    ("argument", "text"), [("--version", "lineage-instrument "), ("--help", "--lineage_topics_exclude VALUE")]
)
def test_information_is_printed(argument: str, text: str) -> None:
    """And nothing is run."""
    out = io.StringIO()
    assert launcher.main([argument], out, io.StringIO()) == 0
    assert text in out.getvalue()


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    """The shell's exit codes, and a hint for the usual mistake."""
    script = tmp_path / "app.py"
    script.touch()
    missing, plain = run(LINEAGE, "no-such-command"), run(LINEAGE, str(script))
    assert (missing.returncode, missing.stderr) == (127, "lineage-instrument: no-such-command: no such command\n")
    assert plain.returncode == 126
    assert f"did you mean: lineage-instrument python {script}" in plain.stderr


def test_other_programs_run_as_ever() -> None:
    """A command need not be Python."""
    ended = run(LINEAGE, "sh", "-c", "echo $0 $1; exit 3", "a", "b")
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "a b\n", "")


@pytest.mark.parametrize("path", [None, "", "/first", f"/first{os.pathsep}{os.pathsep}/last"])
def test_the_application_sees_its_own_path(path: str | None, tmp_path: Path) -> None:
    """sys.path and sys.argv are what they are without the agent."""
    script = tmp_path / "app.py"
    script.write_text("import json, sys; print(json.dumps([sys.path, sys.argv, sys.prefix, sys.executable]))")
    variables = {} if path is None else {"PYTHONPATH": path}
    bare = run(sys.executable, str(script), "x", **variables)
    traced = run(LINEAGE, sys.executable, str(script), "x", **variables)
    assert json.loads(traced.stdout) == json.loads(bare.stdout)


def test_the_users_sitecustomize_runs(tmp_path: Path) -> None:
    """After ours, under its own name."""
    (tmp_path / "sitecustomize.py").write_text("print('mine', __file__)")
    code = (
        "import sys, lineage.agent.recorder as r; print(sys.modules['sitecustomize'].__file__, r.active() is not None)"
    )
    file = tmp_path / "sitecustomize.py"
    # As the launcher sets it; the launcher itself is a Python, too, and would run the user's file once more.
    path = os.pathsep.join([AUTOLOAD, str(tmp_path)])
    assert python(code, PYTHONPATH=path) == f"mine {file}\n{file} True"


def test_an_error_in_the_users_sitecustomize_is_the_users(tmp_path: Path) -> None:
    """Python reports it as it does without us, and goes on."""
    (tmp_path / "sitecustomize.py").write_text("1 / 0")
    bare = run(sys.executable, "-c", "print(1)", PYTHONPATH=str(tmp_path))
    traced = run(sys.executable, "-c", "print(1)", PYTHONPATH=os.pathsep.join([AUTOLOAD, str(tmp_path)]))
    assert (traced.returncode, traced.stdout, traced.stderr) == (bare.returncode, bare.stdout, bare.stderr)


def test_our_own_failure_is_one_line() -> None:
    """The application starts whatever happens to us."""
    ended = run(LINEAGE, sys.executable, "-c", "print(1)", OTEL_PROPAGATORS="nonsense")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (0, "1\n", 1)
    assert ended.stderr.startswith("lineage: not active, ")


def test_a_python_without_lineage_starts_in_silence(tmp_path: Path) -> None:
    """The child of an application may run on another Python."""
    code = "print(1)"
    ended = run(sys._base_executable, "-c", code, PYTHONPATH=AUTOLOAD)  # type: ignore[attr-defined]
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1\n", "")


CHILDREN = """
import multiprocessing, subprocess, sys
def state(queue):
    from lineage.agent import recorder
    queue.put(recorder.active() is not None)
if __name__ == "__main__":
    for method in ("spawn", "fork", "forkserver"):
        context = multiprocessing.get_context(method)
        queue = context.Queue()
        process = context.Process(target=state, args=(queue,))
        process.start()
        print(method, queue.get(timeout=30))
        process.join()
    code = "from lineage.agent import recorder; print('subprocess', recorder.active() is not None)"
    print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout, end="")
"""


def test_children_are_traced(tmp_path: Path) -> None:
    """However they are started."""
    script = tmp_path / "app.py"
    script.write_text(CHILDREN)
    ended = run(LINEAGE, sys.executable, str(script))
    assert ended.stdout.split("\n") == ["spawn True", "fork True", "forkserver True", "subprocess True", ""], (
        ended.stderr
    )


def test_a_process_without_kafka_stays_as_it_is() -> None:
    """No thread, which would make later Pythons warn of every fork, and no signal handler, before there is a client."""
    code = """
import signal, threading
def state(): return threading.active_count(), signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
before = state()
import confluent_kafka
client = confluent_kafka.Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
print(before, state())
"""
    assert python(code, LINEAGE, OTEL_TRACES_EXPORTER="otlp") == "(1, True) (2, False)"

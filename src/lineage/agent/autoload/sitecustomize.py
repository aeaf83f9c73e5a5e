"""Found on PYTHONPATH by every Python that runs under the agent: starts the agent, then the user's own sitecustomize.

Another Python than the agent's may find it too, so it needs nothing of Lineage and no new syntax.
"""

import importlib.machinery
import importlib.util
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib would be imported in every process
_UPSTREAM = os.path.join("opentelemetry", "instrumentation", "auto_instrumentation")  # noqa: PTH118 - the same


def _start() -> None:
    path = os.environ.get("PYTHONPATH", "")
    # What the agent starts meanwhile must not start the agent.
    os.environ["PYTHONPATH"] = os.pathsep.join(entry for entry in path.split(os.pathsep) if entry != _HERE)
    try:
        from lineage.agent.activation import initialize

        initialize(os.environ)
    except ModuleNotFoundError as error:
        # The child of an application may run on another Python, which has no Lineage.
        if error.name != "lineage":
            raise
    finally:
        os.environ["PYTHONPATH"] = path


def _next_spec() -> "importlib.machinery.ModuleSpec | None":
    """The sitecustomize that Python would have found without us; ours has done what OpenTelemetry's would do."""
    path = [entry for entry in sys.path if not entry.endswith(_UPSTREAM)]
    return importlib.machinery.PathFinder.find_spec("sitecustomize", path)


def _run_next() -> None:
    spec = _next_spec()
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


# The application sees the path that it would see without the agent; children are reached through PYTHONPATH.
sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != _HERE]  # noqa: PTH100 - see above

try:
    _start()
except Exception as error:  # noqa: BLE001 - the application must start, whatever went wrong here
    sys.stderr.write(f"lineage: not active, {type(error).__name__}: {error}\n")

_run_next()

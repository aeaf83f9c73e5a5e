"""Builds the optional extension ``lineage.agent._native``: where there is a C compiler, and never at the price of an installation.

hatchling runs this for each wheel; an editable installation gets the extension in place, as does ``python hatch_build.py``
(``make native``). ``LINEAGE_NATIVE=0`` leaves it out. There is nothing to install for it: Python knows how its own extensions are
compiled. ``CC`` and ``CFLAGS`` count as usual.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by itself
    BuildHookInterface = object

PACKAGE = Path("src", "lineage", "agent")
_SECONDS = 120
_LOAD = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("lineage.agent._native", sys.argv[1])
spec.loader.exec_module(importlib.util.module_from_spec(spec))
"""


class NotBuiltError(Exception):
    """Why there is no extension."""


def build(root: Path, folder: Path, flags: tuple[str, ...] = ("-O2", "-DNDEBUG")) -> Path:
    """Compile the extension of the tree at ``root`` into ``folder``."""
    if os.environ.get("LINEAGE_NATIVE", "").strip() == "0":
        raise NotBuiltError("LINEAGE_NATIVE=0")
    linker, suffix = sysconfig.get_config_var("LDSHARED"), sysconfig.get_config_var("EXT_SUFFIX")
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED") or not (linker and suffix):
        raise NotBuiltError("it is for CPython with its GIL, outside of Windows")
    command = shlex.split(linker)
    if "CC" in os.environ:
        # The first word is the compiler, what follows says how it links an extension.
        command[:1] = shlex.split(os.environ["CC"])
    target = folder / f"_native{suffix}"
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        made = Path(temporary, target.name)
        command += [
            *flags,
            *shlex.split(sysconfig.get_config_var("CCSHARED") or ""),
            *shlex.split(os.environ.get("CFLAGS", "")),
            f"-I{sysconfig.get_path('include')}",
            str(root / PACKAGE / "_native.c"),
            "-o",
            str(made),
        ]
        _run(command)
        # What was compiled for another machine or libc is worse than nothing.
        _run([sys.executable, "-c", _LOAD, str(made)])
        # At once, as an application may be running with the old one.
        made.replace(target)
    return target


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise NotBuiltError(f"{command[0]}: {error}") from error
    if done.returncode:
        raise NotBuiltError(f"{command[0]} failed: {done.stderr.strip()}")


class NativeHook(BuildHookInterface):  # type: ignore[misc,valid-type]  # hatchling may not be there
    """Adds the extension to a wheel, which then is for this Python and platform only."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the wheel is put together."""
        root = Path(self.root)
        try:
            if version == "editable":
                self.app.display_info(f"built {build(root, root / PACKAGE)}")
                return
            self._folder = tempfile.TemporaryDirectory()
            built = build(root, Path(self._folder.name))
        except (NotBuiltError, OSError) as reason:
            self.app.display_warning(f"without compiled code, which is optional: {reason}")
            return
        build_data["force_include"][str(built)] = f"lineage/agent/{built.name}"
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """After it was."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()


def main() -> int:
    """Build it in place."""
    root = Path(__file__).resolve().parent
    try:
        print(f"native: built {build(root, root / PACKAGE).relative_to(root)}")
    except NotBuiltError as reason:
        print(f"native: not built, and not needed: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

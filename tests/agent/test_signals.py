"""SIGTERM under the agent, in processes of their own."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
HEAD = """
import os, signal, sys, threading, time
from lineage.agent import signals
def flush(seconds):
    os.write(1, b"flushed ")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
signals.install(flush)
"""


def start(code: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    text = HEAD + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", text], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    assert process.stdout.readline() == "ready\n"


def terminated(code: str, number: int = signal.SIGTERM) -> tuple[int, str, float]:
    """Run until it prints ready, send the signal; exit status, output, seconds until the end."""
    process = start(code)
    until_ready(process)
    time.sleep(0.2)
    begin = time.monotonic()
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    return process.returncode, output, time.monotonic() - begin


def test_python_code_is_flushed_and_killed():
    """A main thread in Python: flushed, the status is the signal's."""
    code, output, seconds = terminated("print('ready', flush=True)\nwhile True: time.sleep(0.01)")
    assert (code, output) == (-signal.SIGTERM, "flushed ")
    assert seconds < 1


def test_c_code_is_flushed_and_killed():
    """A main thread that does not come back from C, here by a call that restarts after signals."""
    code, output, seconds = terminated(
        """
        import ctypes
        print('ready', flush=True)
        libc = ctypes.CDLL(None)
        while True: libc.usleep(30_000_000) or libc.usleep(30_000_000)
        """
    )
    assert (code, output) == (-signal.SIGTERM, "flushed ")
    assert seconds < 1


def test_poll_is_flushed_and_killed():
    """confluent-kafka in poll(30) at a dead broker: 2.12 ignores signals there."""
    pytest.importorskip("confluent_kafka")
    code, output, seconds = terminated(
        """
        from confluent_kafka import Consumer
        consumer = Consumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "g", "log_level": 0})
        consumer.subscribe(["t"])
        print('ready', flush=True)
        consumer.poll(30)
        """
    )
    assert (code, output) == (-signal.SIGTERM, "flushed ")
    assert seconds < 1


def test_hanging_flush_does_not_keep_the_process():
    """A flush that never ends costs less than a second."""
    code, _, seconds = terminated(
        """
        signals.uninstall()
        signals.install(lambda seconds: time.sleep(60))
        print('ready', flush=True)
        time.sleep(30)
        """
    )
    assert code == -signal.SIGTERM
    assert seconds < 1


def test_flush_gets_locks_that_the_main_thread_let_go():
    """The handler does not flush in the thread it interrupted, so a lock held there costs time, but no deadlock."""
    code, _, seconds = terminated(
        """
        lock = threading.Lock()
        signals.uninstall()
        signals.install(lambda seconds: lock.acquire())
        print('ready', flush=True)
        with lock:
            while True: time.sleep(0.01)
        """
    )
    assert code == -signal.SIGTERM
    assert seconds < 1


def test_handler_of_the_application_before_us_stays():
    """A handler that was there first is the only one."""
    code, output, _ = terminated(
        """
        signals.uninstall()
        mine = lambda number, frame: (os.write(1, b"mine"), sys.exit(3))
        signal.signal(signal.SIGTERM, mine)
        signals.install(flush)
        assert signal.getsignal(signal.SIGTERM) is mine
        assert signal.set_wakeup_fd(-1) == -1
        print('ready', flush=True)
        time.sleep(30)
        """
    )
    assert (code, output) == (3, "mine")


def test_handler_of_the_application_after_us_counts():
    """A handler set later replaces ours, and one that calls its predecessor gets nothing from it, as with SIG_DFL."""
    code, output, _ = terminated(
        """
        def mine(number, frame):
            if callable(before): before(number, frame)
            time.sleep(0.3)
            os.write(1, b"mine")
            sys.exit(3)
        before = signal.signal(signal.SIGTERM, mine)
        print('ready', flush=True)
        time.sleep(30)
        """
    )
    assert (code, output) == (3, "mine")


def test_ignored_stays_ignored():
    """SIG_IGN is a wish."""
    code, output, _ = terminated(
        """
        signals.uninstall()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signals.install(flush)
        print('ready', flush=True)
        time.sleep(1)
        """
    )
    assert (code, output) == (0, "")


def test_keyboard_interrupt_still_works():
    """SIGINT passes through our pipe and does what it always did."""
    code, output, _ = terminated(
        """
        # What runs in the background of a shell ignores it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print('ready', flush=True)
        try: time.sleep(30)
        except KeyboardInterrupt: print("interrupted")
        """,
        signal.SIGINT,
    )
    assert (code, output) == (0, "interrupted\n")


def test_wakeup_descriptor_of_the_application_stays():
    """Who has a wakeup descriptor keeps it, and SIGTERM as it was."""
    code, output, seconds = terminated(
        """
        signals.uninstall()
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        signals.install(flush)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.set_wakeup_fd(writer) == writer
        print('ready', flush=True)
        time.sleep(30)
        """
    )
    assert (code, output) == (-signal.SIGTERM, "")
    assert seconds < 1


def test_asyncio_handlers_work():
    """A loop's own SIGTERM handler stops the loop; ours stays out of it."""
    code, output, _ = terminated(
        """
        import asyncio
        async def main():
            stop = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
            print('ready', flush=True)
            await asyncio.wait_for(stop.wait(), 10)
            print("stopped", flush=True)
        asyncio.run(main())
        """
    )
    assert (code, output) == (0, "stopped\n")


def test_asyncio_without_handlers_is_flushed_and_killed():
    """A loop that does not care about SIGTERM."""
    code, output, seconds = terminated(
        """
        import asyncio
        print('ready', flush=True)
        asyncio.run(asyncio.sleep(30))
        """
    )
    assert (code, output) == (-signal.SIGTERM, "flushed ")
    assert seconds < 1


def test_child_dies_alone():
    """SIGTERM to forked children flushes and kills them; the parent does not notice."""
    process = start(
        """
        import warnings
        warnings.simplefilter("ignore")  # from 3.12 on a fork beside any thread warns
        for wait in (0, 0.2) * 10:
            child = os.fork()
            if not child:
                time.sleep(30)
                os._exit(1)
            time.sleep(wait)
            os.kill(child, signal.SIGTERM)
            assert os.waitpid(child, 0)[1] == signal.SIGTERM
        print("alive", flush=True)
        """
    )
    output, errors = process.communicate(timeout=30)
    assert errors == ""
    assert output.count("flushed") >= 10
    assert output.endswith("alive\n")
    assert process.returncode == 0


def test_parent_dies_as_ever_after_a_fork():
    """The pipe is back after the fork."""
    code, output, seconds = terminated(
        """
        import ctypes
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        print('ready', flush=True)
        ctypes.CDLL(None).usleep(30_000_000) or ctypes.CDLL(None).usleep(30_000_000)
        """
    )
    assert (code, output) == (-signal.SIGTERM, "flushed ")
    assert seconds < 1


def test_other_threads_do_not_install():
    """Only the main thread may set handlers."""
    process = start(
        """
        signals.uninstall()
        thread = threading.Thread(target=signals.install, args=(flush,))
        thread.start(); thread.join()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        """
    )
    assert process.communicate(timeout=10)[1] == ""


def test_uninstall_restores():
    """Afterwards everything is as before."""
    process = start(
        """
        signals.uninstall()
        time.sleep(0.1)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.set_wakeup_fd(-1) == -1
        assert threading.active_count() == 1
        """
    )
    assert process.communicate(timeout=10)[1] == ""

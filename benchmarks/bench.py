"""What every section needs: the broker's topics, the receiver, and runs that alternate."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from processes import Run, run
from variants import VARIANTS

# The topics that are only written to: the broker keeps the end of them.
_SHORT = {"retention.bytes": "104857600", "segment.bytes": "52428800"}


class Job(NamedTuple):
    """One run of apps/tasks.py: ``options`` are its own."""

    variant: str
    task: str
    count: int
    options: Mapping[str, object] = {}


@dataclass
class Bench:
    """The settings of this run of the benchmarks, and what they run against."""

    bootstrap: str
    count: int
    rounds: int
    long: bool
    endpoint: str
    _topics: list[str] = field(default_factory=list)

    def topic(self, partitions: int = 1, *, short: bool = False) -> str:
        """Make a topic. `short`: what is written to it is not needed again."""
        from confluent_kafka.admin import NewTopic

        name = f"bench-{time.time_ns()}"
        config = _SHORT if short else {}
        admin = self._admin()
        admin.create_topics([NewTopic(name, partitions, config=config)])[name].result(30)
        self._topics.append(name)
        return name

    def filled(self, variant: str, partitions: int = 1, headers: int = 0) -> str:
        """Make a topic and let a producer of this variant fill it."""
        name = self.topic(partitions)
        self.once(Job(variant, "produce", self.count, {"output": name, "headers": headers}))
        return name

    def once(self, job: Job) -> Run:
        """One process, from its start to its exit, with the spans that were received of it."""
        options = [f"--{name}={value}" for name, value in job.options.items()]
        result = self.process(job.variant, "tasks.py", job.task, job.count, f"--bootstrap={self.bootstrap}", *options)
        different, in_all = map(int, self.ask("/spans").split())
        result = result._replace(spans=different, twice=in_all - different)
        say(f"{job.variant}: {job.task} {job.count} {result.cpu:.2f} s CPU {result.wall:.2f} s {result.spans} spans")
        return result

    def net(self, job: Job) -> Run:
        """The same, less a run with no messages."""
        start = self.once(job._replace(count=0))
        return self.once(job).less(start)

    def alternating(self, jobs: Mapping[Any, Job]) -> dict[Hashable, list[Run]]:
        """All jobs, and all of them again: what slows the machine down for a while does so to each."""
        runs: dict[Hashable, list[Run]] = defaultdict(list)
        for _ in range(self.rounds):
            for name, job in jobs.items():
                runs[name].append(self.net(job))
        return runs

    def process(self, variant: str, app: str, *arguments: object) -> Run:
        """Run any of our applications as this variant."""
        return run(VARIANTS[variant], self.endpoint, app, *arguments)

    def ask(self, path: str) -> str:
        """Ask the receiver."""
        return urllib.request.urlopen(self.endpoint + path, timeout=120).read().decode()

    def clean(self) -> None:
        """Take our topics away again."""
        if self._topics:
            admin = self._admin()
            for future in admin.delete_topics(self._topics).values():
                future.result(30)

    def _admin(self) -> Any:
        from confluent_kafka.admin import AdminClient

        return AdminClient({"bootstrap.servers": self.bootstrap})


def say(line: str) -> None:
    """Show how far we are."""
    sys.stderr.write(f"  {line}\n")


@contextmanager
def receiving() -> Iterator[str]:
    """A receiver in a process of its own: where it listens."""
    command = [sys.executable, str(Path(__file__).parent / "receiver.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(receiver.stdout.readline())}"
        finally:
            receiver.terminate()

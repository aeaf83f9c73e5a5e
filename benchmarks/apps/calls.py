"""CPU of the calling thread alone, in chunks: what a call costs where it is too little to see in a whole process.

Usage: calls.py TASK BOOTSTRAP INPUT OUTPUT SIZE CHUNKS. Prints the cheapest chunk's CPU us per message.
The client library's own threads are left out: the agent adds nothing to them, and they make most of the noise. A chunk
that was disturbed cost more, never less: so the cheapest is the one that tells.
"""

import sys
import time

from confluent_kafka import Producer
from tasks import TASKS, new_consumer, rewind


class Options:
    """Where the messages are."""

    partitions = 1

    def __init__(self, bootstrap, name):
        self.bootstrap, self.input = bootstrap, name


def main(task, bootstrap, name, output, size, chunks):
    """Time each chunk, prepared so that the loop never waits."""
    if task == "produce":
        config = {"bootstrap.servers": bootstrap, "linger.ms": 5, "queue.buffering.max.messages": 2 * size}
        producer, consumer = Producer(config), None
        producer.list_topics(output, 10)
    else:
        producer, consumer = None, new_consumer(Options(bootstrap, name))
    best = min(chunk(task, producer, consumer, Options(bootstrap, name), output, size) for _ in range(chunks))
    sys.stdout.write(f"{best / size * 1e6}\n")


def chunk(task, producer, consumer, options, output, size):
    """CPU seconds of this thread for so many messages."""
    if consumer is not None:
        rewind(consumer, options)
        # The client fetches ahead meanwhile: 100,000 messages by default.
        time.sleep(0.5)
    begin = time.thread_time()
    TASKS[task](producer, consumer, output, size, None)
    taken = time.thread_time() - begin
    if producer is not None:
        producer.flush()
    return taken


if __name__ == "__main__":
    task_, *where, size_, chunks_ = sys.argv[1:]
    main(task_, *where, int(size_), int(chunks_))

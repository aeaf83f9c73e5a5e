"""The measured applications: plain clients that know of no tracer, one task each. `--help` lists the arguments."""

import argparse
import sys
import time
from threading import Thread

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

VALUE = b"x" * 200


def produce(producer, _, topic, count, headers):
    """Produce as fast as the client takes it."""
    for number in range(count):
        send(producer, topic, VALUE, headers)
        if number % 100 == 0:
            producer.poll(0)


def poll(_, consumer, topic, count, headers):
    """Take messages one by one."""
    while count > 0:
        message = consumer.poll(1.0)
        count -= message is not None and message.error() is None


def consume(_, consumer, topic, count, headers):
    """Take messages by the batch, and look at each."""
    while count > 0:
        for message in consumer.consume(500, 1.0):
            count -= message.error() is None


def hop(producer, consumer, topic, count, headers):
    """Take each message and send another because of it."""
    while count > 0:
        message = consumer.poll(1.0)
        if message is not None and message.error() is None:
            send(producer, topic, message.value() + b"!", headers)
            producer.poll(0)
            count -= 1


TASKS = {"produce": produce, "poll": poll, "consume": consume, "hop": hop}


def send(producer, topic, value, headers):
    """Produce one message; wait while the client's queue is full."""
    while True:
        try:
            producer.produce(topic, value, headers=headers)
        except BufferError:
            producer.poll(0.1)
        else:
            return


def main():
    """Do the task, in turns if asked to, each from the first message of the input."""
    options = arguments()
    producer = new_producer(options) if options.task in ("produce", "hop") else None
    consumer = new_consumer(options) if options.task != "produce" else None
    headers = [(f"header-{number}", b"some value") for number in range(options.headers)] or None
    for turn in range(options.turns):
        if consumer is not None:
            rewind(consumer, options)
        each(options, (producer, consumer, options.output, options.count // options.turns, headers))
        if options.turns > 1:
            report((turn + 1) * options.count // options.turns)
    if producer is not None:
        producer.flush()
    if consumer is not None:
        consumer.close()


def arguments():
    """What to do, where, and how often."""
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("count", type=int)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--input", default="")
    parser.add_argument("--output", default="")
    parser.add_argument("--partitions", type=int, default=1, help="of the input")
    parser.add_argument("--headers", type=int, default=0, help="of the application's own on each message sent")
    parser.add_argument("--threads", type=int, default=1, help="that share the work")
    parser.add_argument("--turns", type=int, default=1, help="after each, tell how far we are")
    return parser.parse_args()


def new_producer(options):
    """Make a producer that batches for 5 ms, as a fast one would."""
    return Producer({"bootstrap.servers": options.bootstrap, "linger.ms": 5})


def new_consumer(options):
    """Make a consumer whose partitions are given to it: no group has to be found."""
    return Consumer({"bootstrap.servers": options.bootstrap, "group.id": "bench", "enable.auto.commit": False})


def rewind(consumer, options):
    """Read the input from its beginning."""
    consumer.assign([TopicPartition(options.input, number, OFFSET_BEGINNING) for number in range(options.partitions)])


def each(options, given):
    """Do the task, in several threads if asked to."""
    task = TASKS[options.task]
    if options.threads == 1:
        task(*given)
        return
    *clients, count, headers = given
    threads = [Thread(target=task, args=(*clients, count // options.threads, headers)) for _ in range(options.threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def report(done):
    """One line: messages so far, seconds, CPU seconds, resident MB, spans that the agent gave up so far."""
    import psutil

    activation = sys.modules.get("lineage.agent.activation")
    exporter = activation.state().exporter if activation is not None else None
    memory = psutil.Process().memory_info().rss / 2**20
    dropped = exporter.dropped if exporter is not None else 0
    sys.stdout.write(f"{done} {time.monotonic()} {time.process_time()} {memory} {dropped}\n")


if __name__ == "__main__":
    main()

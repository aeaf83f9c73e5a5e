"""The measured applications: plain clients, one task each. Usage: apps.py TASK BOOTSTRAP TOPIC COUNT."""

import sys

from confluent_kafka import Consumer, Producer

VALUE = b"x" * 200


def produce(bootstrap, topic, count):
    """Produce as fast as the client takes it."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5})
    for number in range(count):
        _send(producer, topic, VALUE)
        if number % 100 == 0:
            producer.poll(0)
    producer.flush()


def poll(bootstrap, topic, count):
    """Take messages one by one."""
    consumer = _assigned(bootstrap, topic)
    while count > 0:
        message = consumer.poll(1.0)
        count -= message is not None and message.error() is None
    consumer.close()


def consume(bootstrap, topic, count):
    """Take messages by the batch, and look at each."""
    consumer = _assigned(bootstrap, topic)
    while count > 0:
        for message in consumer.consume(500, 1.0):
            count -= message.error() is None
    consumer.close()


def hop(bootstrap, topic, count):
    """Take each message and send another because of it."""
    consumer = _assigned(bootstrap, topic)
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5})
    while count > 0:
        message = consumer.poll(1.0)
        if message is not None and message.error() is None:
            _send(producer, f"{topic}.out", message.value() + b"!")
            producer.poll(0)
            count -= 1
    producer.flush()
    consumer.close()


def _send(producer, topic, value):
    while True:
        try:
            producer.produce(topic, value)
        except BufferError:
            producer.poll(0.1)
        else:
            return


def _assigned(bootstrap, topic):
    from confluent_kafka import OFFSET_BEGINNING, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    return consumer


if __name__ == "__main__":
    task, *where, how_many = sys.argv[1:]
    {"produce": produce, "poll": poll, "consume": consume, "hop": hop}[task](*where, int(how_many))

"""The first handler starts a thread that sends what all handlers collected, long after."""

import threading
import time

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, PRODUCER, WRITES, attach, event, running, seen

consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)
collected, ended = [], threading.Event()


def flush_forever():
    ended.wait()
    time.sleep(0.5)
    for number in range(len(collected)):
        producer.produce(WRITES[0], event(number))


flusher = None
left = COUNT
while running(left):
    message = consumer.poll(0.2)
    if message is None:
        continue
    if flusher is None:
        flusher = threading.Thread(target=flush_forever)
        flusher.start()
    collected.append(seen(message).value())
    left -= 1
consumer.poll(0.1)
ended.set()
flusher.join()
producer.flush(10)
consumer.close()

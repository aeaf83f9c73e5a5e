"""Each handler starts a thread of its own, which sends while the next messages are handled."""

import threading
import time

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, PRODUCER, WRITES, attach, derived, running, seen

consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)


def handle(value, key):
    time.sleep(0.05)
    producer.produce(WRITES[0], derived(value), key)


threads = []
left = COUNT
while running(left):
    message = consumer.poll(0.2)
    if message is None:
        continue
    seen(message)
    threads.append(threading.Thread(target=handle, args=(message.value(), message.key())))
    threads[-1].start()
    left -= 1
for thread in threads:
    thread.join()
producer.flush(10)
consumer.close()

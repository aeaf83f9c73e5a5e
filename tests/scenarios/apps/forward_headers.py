"""Messages handled long after they were polled, in another thread that knows them by their headers only."""

import queue
import threading

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, MODE, PRODUCER, WRITES, attach, derived, running, seen

FORWARDED = {
    "as is": lambda headers: headers,
    "copied": lambda headers: [*headers, ("seen-by", b"forwarder")],
    "dict": dict,
    "batch": lambda headers: [*headers, ("seen-by", b"forwarder")],
}[MODE]

waiting = queue.Queue()
producer = Producer(PRODUCER)


def work():
    while (job := waiting.get()) is not None:
        value, key, headers = job
        if MODE == "batch":
            # This call drops the headers; they are evidence all the same.
            batch = [{"value": derived(value), "key": key, "headers": FORWARDED(headers)}]
            assert producer.produce_batch(WRITES[0], batch) == 1
        else:
            producer.produce(WRITES[0], derived(value), key, headers=FORWARDED(headers))


worker = threading.Thread(target=work)
worker.start()
consumer = attach(Consumer(CONSUMER))
left = COUNT
while running(left):
    message = consumer.poll(0.2)
    if message is not None:
        seen(message)
        # A value made anew is no evidence; the headers are.
        waiting.put((bytes(bytearray(message.value())), message.key(), message.headers() or []))
        left -= 1
consumer.poll(0.1)
waiting.put(None)
worker.join()
producer.flush(10)
consumer.close()

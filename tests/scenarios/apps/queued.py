"""One thread polls, another sends; between them a queue, which is no evidence. Headers and value objects are."""

import json
import queue
import threading

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, MODE, PRODUCER, WRITES, attach, identity, running, seen, told

consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)
waiting = queue.Queue()


def work():
    while (message := waiting.get()) is not None:
        send(*message)


def send(value, key, headers):
    cause = identity(value)
    causes = [] if MODE == "derived" else [cause]
    truth = told(json.dumps({"id": f"{MODE}({cause})", "from": causes}).encode())
    if MODE == "headers":
        producer.produce(WRITES[0], b"new", key, headers=[*(headers or ()), truth])
    else:
        producer.produce(WRITES[0], value if MODE == "value" else b"new", key, headers=[truth])


worker = threading.Thread(target=work)
worker.start()
left = COUNT
while running(left):
    message = consumer.poll(0.2)
    if message is not None:
        seen(message)
        waiting.put((message.value(), message.key(), message.headers()))
        left -= 1
waiting.put(None)
worker.join()
producer.flush(10)
consumer.close()

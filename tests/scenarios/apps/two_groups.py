"""Two groups read one topic in one process, one loop. Each sends to a topic of its own."""

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, GROUP, PRODUCER, WRITES, attach, derived, running, seen

producer = Producer(PRODUCER)
groups = {topic: attach(Consumer({**CONSUMER, "group.id": f"{GROUP}-{topic}"})) for topic in WRITES}
left = COUNT * len(groups)
while running(left):
    for topic, consumer in groups.items():
        message = consumer.poll(0.1)
        if message is not None:
            producer.produce(topic, derived(seen(message).value(), name=topic[-1]), message.key())
            left -= 1
producer.flush(10)
for consumer in groups.values():
    consumer.close()

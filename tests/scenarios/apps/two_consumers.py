"""Two consumers polled in turn: once the second was asked and had nothing, no message is being handled."""

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, GROUP, PRODUCER, READS, WRITES, attach, derived, event, running, seen

out, pulse = WRITES
busy = attach(Consumer(CONSUMER), READS[:1])
idle = attach(Consumer({**CONSUMER, "group.id": f"{GROUP}-idle"}), READS[1:])
producer = Producer(PRODUCER)
left = COUNT
while running(left):
    message = busy.poll(0.2)
    if message is None:
        continue
    producer.produce(out, derived(seen(message).value()), message.key())
    assert idle.poll(0.01) is None
    producer.produce(pulse, event(left))
    left -= 1
producer.flush(10)
busy.close()
idle.close()

"""Consume, transform, produce in transactions of a few messages; the first attempt of all is aborted and done again."""

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, GROUP, PRODUCER, WRITES, attach, derived, running, seen

consumer = attach(Consumer({**CONSUMER, "enable.auto.commit": False, "isolation.level": "read_committed"}))
producer = Producer({**PRODUCER, "transactional.id": GROUP})
producer.init_transactions(20)
left, aborted = COUNT, False
while running(left):
    message = consumer.poll(0.2)
    if message is None:
        continue
    seen(message)
    if not aborted:
        producer.begin_transaction()
        producer.produce(WRITES[0], derived(message.value(), name="aborted"), message.key())
        producer.flush(10)
        producer.abort_transaction(20)
        aborted = True
    producer.begin_transaction()
    producer.produce(WRITES[0], derived(message.value()), message.key())
    producer.send_offsets_to_transaction(
        consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), 20
    )
    producer.commit_transaction(20)
    left -= 1
consumer.close()

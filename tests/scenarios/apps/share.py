"""A share group's member: messages are acknowledged one by one."""

from confluent_kafka import AcknowledgeType, Producer, ShareConsumer
from plain import CLIENT, COUNT, GROUP, PRODUCER, READS, WRITES, derived, running, seen

producer = Producer(PRODUCER)
consumer = ShareConsumer({**CLIENT, "group.id": GROUP, "share.acknowledgement.mode": "explicit"})
consumer.subscribe(READS)
left = COUNT
while running(left):
    for message in consumer.poll(1):
        producer.produce(WRITES[0], derived(seen(message).value()), message.key())
        consumer.acknowledge(message, AcknowledgeType.ACCEPT)
        left -= 1
    consumer.commit_sync(10)
producer.flush(10)
consumer.close()

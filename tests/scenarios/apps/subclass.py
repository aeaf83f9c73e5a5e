"""The user's own clients, with state of their own and methods over ours."""

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, PRODUCER, WRITES, attach, derived, running, seen


class AuditedProducer(Producer):
    def __init__(self, audit, **config):
        super().__init__({name.replace("_", "."): value for name, value in config.items()})
        self.audit = audit

    def produce(self, topic, value=None, key=None, **options):
        self.audit.append(topic)
        return super().produce(topic, value, key, callback=self.delivered, **options)

    def delivered(self, error, message):
        self.audit.append(message.topic())


class PatientConsumer(Consumer):
    def __init__(self, config):
        super().__init__(config)
        self.polls = 0

    def poll(self, timeout=0.2):
        self.polls += 1
        return super().poll(timeout)


audit = []
consumer = attach(PatientConsumer(CONSUMER))
producer = AuditedProducer(audit, **{name.replace(".", "_"): value for name, value in PRODUCER.items()})
left = COUNT
while running(left):
    message = consumer.poll()
    if message is None:
        continue
    producer.produce(WRITES[0], derived(seen(message).value()), message.key())
    producer.poll(0)
    left -= 1
producer.flush(10)
consumer.close()
assert consumer.polls >= COUNT
assert len(audit) == 2 * COUNT, audit

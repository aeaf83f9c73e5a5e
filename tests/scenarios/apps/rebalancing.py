"""A second member joins the group in the middle of the work, and leaves before its end."""

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, PRODUCER, READS, WRITES, derived, running, seen

# Small fetches keep the partitions level, quick heartbeats make the first member learn of the second soon.
MEMBER = {
    **CONSUMER,
    "enable.auto.commit": False,
    "heartbeat.interval.ms": 100,
    "max.partition.fetch.bytes": 1000,
    "queued.min.messages": 1,
}
producer = Producer(PRODUCER)
members, handled = [], []


def join():
    members.append(Consumer(MEMBER))
    members[-1].subscribe(READS)


def handle(member, message):
    producer.produce(WRITES[0], derived(seen(message).value()), message.key())
    member.commit(message, asynchronous=False)
    handled.append(member)


join()
while running(COUNT - len(handled)):
    for member in tuple(members):
        message = member.poll(0.02)
        if message is not None:
            handle(member, message)
    if len(members) == 1 and len(handled) >= COUNT // 4 and len(set(map(id, handled))) == 1:
        join()
    if len(members) == 2 and sum(member is members[1] for member in handled) >= 10:
        members.pop().close()
producer.flush(10)
members[0].close()
assert len(set(map(id, handled))) == 2

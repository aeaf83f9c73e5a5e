"""A running total per key, in a store of any kind. Each output names the event that wrote what it read."""

import json
import shelve

from confluent_kafka import Consumer, Producer
from plain import CONSUMER, COUNT, MODE, PRODUCER, STATE, WRITES, attach, derived, identity, running, seen

import lineage


def rocksdb(path):
    """Used as it is: no word of tracing."""
    from rocksdict import Rdict  # not installed wherever the other stores are

    return Rdict(f"{path}/totals")


def shelf(path):
    """Persistent, and so is who wrote its values."""
    values, writers = shelve.open(f"{path}/totals"), shelve.open(f"{path}/writers")  # noqa: SIM115 - closed at the end
    return lineage.state("totals", values, writers=writers)


STORES = {
    "dict": lambda _: lineage.state("totals"),
    "mapping": lambda _: lineage.state("totals", {}),
    "shelf": shelf,
    "rocksdict": rocksdb,
    "batches": rocksdb,
}

consumer, producer = attach(Consumer(CONSUMER)), Producer(PRODUCER)
totals = STORES[MODE](STATE)
left = COUNT
while running(left):
    message = consumer.poll(0.2)
    if message is None:
        continue
    seen(message)
    key, me = message.key().decode(), identity(message.value())
    before = totals.get(key) or {"n": 0, "by": None}
    total = {"n": before["n"] + 1, "by": me}
    if MODE == "batches":
        from rocksdict import WriteBatch

        batch = WriteBatch()
        batch[key] = total
        batch["latest"] = me
        totals.write(batch)
    else:
        totals[key] = total
    told = {**json.loads(derived(message.value())), "of": me, "n": total["n"], "read": before["by"]}
    producer.produce(WRITES[0], json.dumps(told), message.key())
    producer.poll(0)
    left -= 1
producer.flush(10)
consumer.close()
if hasattr(totals, "close"):
    totals.close()

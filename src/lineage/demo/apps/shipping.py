"""Packs a parcel for each priced order, which takes a moment."""

from __future__ import annotations

import json
import time

import common
from confluent_kafka import Message

producer = common.producer()


def pack(message: Message) -> None:
    """One priced order in, one parcel out."""
    order = json.loads(message.value())
    time.sleep(0.01 * order["quantity"])
    common.send(producer, "parcels", message.key(), {"parcel": order["order"], "to": order["customer"]})


common.run("shipping", ["priced-orders"], common.COUNT, pack)

"""Writes an invoice for each priced order."""

from __future__ import annotations

import json

import common
from confluent_kafka import Message

producer = common.producer()


def bill(message: Message) -> None:
    """One priced order in, one invoice out."""
    order = json.loads(message.value())
    common.send(producer, "invoices", message.key(), {"invoice": 1000 + order["order"], "amount": order["total"]})


common.run("billing", ["priced-orders"], common.COUNT, bill)

"""Adds prices to orders."""

from __future__ import annotations

import json

import common
from confluent_kafka import Message

PRICES = {"teapot": 39.0, "kettle": 54.5, "cup": 8.0, "strainer": 4.5}

producer = common.producer()


def enrich(message: Message) -> None:
    """One order in, one priced order out."""
    order = json.loads(message.value())
    priced = {**order, "total": PRICES[order["item"]] * order["quantity"]}
    common.send(producer, "priced-orders", message.key(), priced)


common.run("enrich", ["orders"], common.COUNT, enrich)

"""Prints what became of the orders: the end of the pipeline."""

from __future__ import annotations

import common
from confluent_kafka import Message


def show(message: Message) -> None:
    """One line for each invoice and parcel."""
    print(message.topic().removeprefix(common.PREFIX), message.value().decode(), flush=True)


common.run("sink", ["invoices", "parcels"], 2 * common.COUNT, show)

"""Takes orders: the beginning of the pipeline."""

from __future__ import annotations

import random
import time

import common

ITEMS = ("teapot", "kettle", "cup", "strainer")
CUSTOMERS = ("ada", "grace", "edsger", "barbara", "tony")

producer = common.producer()
for number in range(1, common.COUNT + 1):
    customer = random.choice(CUSTOMERS)
    order = {"order": number, "customer": customer, "item": random.choice(ITEMS), "quantity": random.randint(1, 5)}
    common.send(producer, "orders", customer.encode(), order)
    print(f"order {number}: {order['quantity']} {order['item']} for {customer}", flush=True)
    time.sleep(0.1)

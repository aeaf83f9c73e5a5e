"""Where events end: each message is printed."""

from confluent_kafka import Consumer
from plain import CONSUMER, COUNT, attach, running, seen

consumer = attach(Consumer(CONSUMER))
left = COUNT
while running(left):
    message = consumer.poll(0.2)
    if message is not None:
        seen(message)
        left -= 1
consumer.close()

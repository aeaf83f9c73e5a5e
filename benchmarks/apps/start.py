"""The smallest application there is: all of its time is start and end. Usage: start.py BOOTSTRAP."""

import sys

from confluent_kafka import Producer

Producer({"bootstrap.servers": sys.argv[1]})

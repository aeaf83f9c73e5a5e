"""Parent and child each send, before and after the child is made in one of the ways there are."""

import multiprocessing
import os
import subprocess
import sys

from confluent_kafka import Producer
from plain import MODE, PRODUCER, WRITES, event


def send(number):
    producer = Producer(PRODUCER)
    producer.produce(WRITES[0], event(number))
    producer.flush(10)


def child():
    if MODE == "os.fork":
        if (pid := os.fork()) == 0:
            send(2)
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    elif MODE == "subprocess":
        subprocess.run([sys.executable, __file__, "child"], check=True)
    else:
        process = multiprocessing.get_context(MODE).Process(target=send, args=(2,))
        process.start()
        process.join()
        assert process.exitcode == 0


if __name__ == "__main__":
    if sys.argv[1:] == ["child"]:
        send(2)
    else:
        send(1)
        child()
        send(3)

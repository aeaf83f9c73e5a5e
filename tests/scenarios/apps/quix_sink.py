"""A sink of Quix Streams: what it writes at once, it tells in one line."""

import json

from quix_plain import application, reads, run
from quixstreams.sinks import BatchingSink


class Printed(BatchingSink):
    """Standard output."""

    def write(self, batch):
        """One line for a batch."""
        print(json.dumps({"topic": batch.topic, "partition": batch.partition, "ids": [i.value["id"] for i in batch]}))


app = application()
(frame,) = reads(app)
frame.sink(Printed())
run(app)

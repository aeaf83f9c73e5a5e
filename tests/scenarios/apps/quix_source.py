"""A source of Quix Streams, which is a process of its own, and a dataframe that groups what it makes anew."""

from plain import COUNT
from quix_plain import CONFIG, NAME, application, run, told, writes
from quixstreams.sources import Source


class Events(Source):
    """Where events enter."""

    def run(self):
        """All at once."""
        for number in range(COUNT):
            value = {"id": f"{NAME}-{number}", "from": [], "group": f"g{number % 4}"}
            message = self.serialize(key=f"customer-{number % 5}", value=value)
            self.produce(key=message.key, value=message.value)


def main():
    """Read what the source makes, and group it."""
    app = application()
    (events, grouped) = writes(app)
    topic = app.topic(events.name, key_deserializer="str", config=CONFIG)
    frame = app.dataframe(topic=topic, source=Events(name="events"))
    frame.group_by("group").apply(lambda value: told(NAME, value)).to_topic(grouped)
    run(app)


if __name__ == "__main__":
    main()

"""Steps of Quix Streams without state: all that the embedded broker can do for it."""

from quix_plain import NAME, application, reads, run, told, writes


def keep(value, key, timestamp, headers):
    """Filter, with metadata."""
    return key is not None


def split(value):
    """Expand, at once."""
    return [{**value, "part": part} for part in (1, 2)]


def tell(value):
    """A new record."""
    return told(f"{NAME}-{value['part']}", value)


app = application()
(frame,), (target,) = reads(app), writes(app)
frame = frame.filter(keep, metadata=True)
frame["kept"] = frame["id"].apply(len) > 0
frame = frame.update(lambda value: value.pop("kept"))
frame.apply(split, expand=True).apply(tell).to_topic(target)
run(app)

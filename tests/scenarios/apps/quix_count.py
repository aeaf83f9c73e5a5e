"""A count per key in Quix Streams, with every kind of step; the payload says which message wrote the state that was read."""

import json

from plain import MODE
from quix_plain import NAME, application, reads, run, told, writes

done = []


def keep(value):
    """Filter: all of them."""
    return "id" in value


def note(value):
    """Update in place, without anything new."""
    value.pop("nothing", None)


def count(value, state):
    """Which message came before, and how many there were."""
    done.append(value["id"])
    if MODE == "fail" and len(done) == 12:
        raise ValueError("a bad day")
    before, seen = state.get("last"), state.get("count", 0)
    known = state.exists("count")
    state.set("last", value["id"])
    state.set("count", seen + 1)
    if seen % 5 == 4:
        state.delete("mark")
    elif not known or seen % 5 == 0:
        state.set("mark", value["id"])
    return told(NAME, value, read=before, count=seen + 1)


def twice(value):
    """Expand, lazily."""
    yield value
    if MODE == "expand":
        yield {**value, "id": value["id"] + "'"}


app = application()
(frame,), (target,) = reads(app), writes(app)
frame = frame.filter(keep).update(note).apply(count, stateful=True).apply(twice, expand=True)
frame = frame.apply(lambda value: value)
frame = frame.to_topic(target)
frame.update(lambda value: print(json.dumps({"id": value["id"], "read": value["read"], "count": value["count"]})))
run(app)

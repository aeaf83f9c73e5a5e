"""Windows in Quix Streams; a result says which messages it is made of, and which one brought it about."""

from datetime import timedelta

from plain import MODE
from quix_plain import NAME, application, reads, run, told, writes
from quixstreams.dataframe.windows import Reduce

KIND, WHEN = MODE.split()[:2]
trigger = {}


def note(value):
    """Remember which message is being handled."""
    trigger["id"] = value["id"]


def begin(value):
    """The first message of a window."""
    return {"ids": [value["id"]]}


def add(window, value):
    """One more."""
    return {"ids": [*window["ids"], value["id"]]}


def merge(window, other):
    """Two sessions that a late message has connected."""
    return {"ids": [*window["ids"], *other["ids"]]}


def tell(result):
    """The result as a record."""
    made_of = [{"id": each} for each in result["value"]["ids"]]
    return told(f"{NAME}-{result['start']}", *made_of, dict(trigger), last=result["value"]["ids"][-1])


app = application()
(frame,), (target,) = reads(app), writes(app)
frame = frame.update(note)
if KIND == "tumbling":
    window = frame.tumbling_window(timedelta(seconds=4))
elif KIND == "hopping":
    window = frame.hopping_window(timedelta(seconds=4), timedelta(seconds=2))
elif KIND == "sliding":
    window = frame.sliding_window(timedelta(seconds=4))
else:
    window = frame.session_window(timedelta(seconds=5))
window = window.agg(value=Reduce(add, begin, merger=merge))
strategy = "partition" if "partition" in MODE else "key"
frame = window.final(closing_strategy=strategy) if WHEN == "final" else window.current(closing_strategy=strategy)
frame.apply(tell).to_topic(target)
run(app)

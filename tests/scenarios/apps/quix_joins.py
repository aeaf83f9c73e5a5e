"""Joins in Quix Streams; a pair says which two messages it is made of."""

from datetime import timedelta

from plain import MODE
from quix_plain import NAME, application, reads, run, told, writes


def pair(left, right):
    """Both sides."""
    return told(NAME, *(side for side in (left, right) if side))


app = application()
(left, right), (target,) = reads(app), writes(app)
if MODE == "interval":
    second = timedelta(seconds=1)
    frame = left.join_interval(right, on_merge=pair, grace_ms=timedelta(days=1), backward_ms=second, forward_ms=second)
elif MODE == "left":
    frame = left.join_asof(right, how="left", on_merge=pair, grace_ms=timedelta(days=1))
else:
    frame = left.join_asof(right, on_merge=pair, grace_ms=timedelta(days=1))
frame.to_topic(target)
run(app)

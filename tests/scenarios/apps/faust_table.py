"""A Faust agent that counts per key in a table and says whose value it read: plain, in windows, or going through all of it."""

from faust import current_event
from faust_plain import faust_app, raw_topic, run, saw
from plain import MODE, READS, WRITES, derived, identity

app = faust_app()
orders, counts = (raw_topic(app, name) for name in (READS[0], WRITES[0]))
totals = app.Table("totals", default=lambda: {"count": 0, "last": None, "offset": -1})
if MODE == "windows":
    totals = totals.tumbling(3600, expires=7200)


@app.agent(orders)
async def count(stream):
    async for value in stream:
        event = current_event()
        key = event.key.decode()
        found = totals[key].value() if MODE == "windows" else totals[key]
        if event.message.offset <= found["offset"]:
            # Delivered again, as the library may do after a restart.
            saw(event, read=found["last"], again=True)
            continue
        totals[key] = {"count": found["count"] + 1, "last": identity(value), "offset": event.message.offset}
        every = sorted(each["last"] for _, each in totals.items()) if MODE == "items" else None
        await counts.send(key=event.key, value=derived(value))
        saw(event, read=found["last"], again=False, count=found["count"], every=every)


run(app)

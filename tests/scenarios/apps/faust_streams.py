"""Faust agents that pass events on in every way there is. The value says what it was made from."""

import asyncio
import json

from faust import current_event
from faust_plain import faust_app, raw_topic, run, saw
from plain import MODE, READS, WRITES, derived, identity

app = faust_app(stream_publish_on_commit=MODE == "on commit")
orders = raw_topic(app, READS[0])
outs = [raw_topic(app, name) for name in WRITES]


async def one_by_one(stream):
    async for value in stream:
        event = current_event()
        await asyncio.sleep(0.001)  # so that several of them are at work
        await outs[0].send(key=event.key, value=derived(value))
        saw(event)


async def soon(stream):
    async for event in stream.events():
        outs[0].send_soon(key=event.key, value=derived(event.value))
        saw(event)


async def forwarding(stream):
    async for event in stream.events():
        await event.forward(outs[0], value=derived(event.value))
        saw(event)


async def filtered(stream):
    async for event in stream.filter(lambda value: not identity(value).endswith("3")).events():
        await outs[0].send(key=event.key, value=derived(event.value))
        saw(event)


async def yielding(stream):
    async for event in stream.events():
        saw(event)
        yield derived(event.value)


async def noack(stream):
    async for event in stream.noack().events():
        await outs[0].send(key=event.key, value=derived(event.value))
        await stream.ack(event)
        await outs[0].send(key=event.key, value=derived(event.value, name="acked"))
        saw(event)


async def passed_on(stream):
    """Orders go through another topic, with a key of their own, before they are handled."""
    again = (
        stream.through(outs[1])
        if MODE == "through"
        else stream.group_by(lambda value: identity(value)[-1:].encode(), name="by-end", topic=outs[1])
    )
    async for event in again.events():
        await outs[0].send(key=event.key, value=derived(event.value))
        saw(event)


async def taken(stream):
    async for values in stream.take(7, within=0.2):
        for value in values:
            await outs[0].send(value=derived(value))
        await outs[1].send(value=derived(name="all", maybe=values))
        for value in values:
            saw_value(value)


async def taken_events(stream):
    async for events in stream.take_events(7, within=0.2):
        for event in events:
            await outs[0].send(value=derived(event.value))
            saw(event)


def saw_value(value):
    import faust_plain

    faust_plain.left -= 1
    print(json.dumps({"id": identity(value)}), flush=True)


async def second(stream):
    async for event in stream.events():
        await asyncio.sleep(0.001)
        await event.forward(outs[1], value=derived(event.value, name="second"))


async def casting(stream):
    async for event in stream.events():
        await receiver.cast(derived(event.value), key=event.key)
        saw(event)


async def received(stream):
    async for event in stream.events():
        saw(event)


AGENTS = {
    "": one_by_one,
    "concurrency": one_by_one,
    "two agents": one_by_one,
    "soon": soon,
    "on commit": soon,
    "forward": forwarding,
    "filter": filtered,
    "sink": yielding,
    "noack": noack,
    "through": passed_on,
    "group_by": passed_on,
    "take": taken,
    "take_events": taken_events,
    "cast": casting,
}

concurrency = 4 if MODE == "concurrency" else 1
app.agent(orders, concurrency=concurrency, sink=[outs[0]] if MODE == "sink" else None)(AGENTS[MODE])
if MODE == "two agents":
    app.agent(orders)(second)
if MODE == "cast":
    receiver = app.agent(outs[0])(received)

run(app)

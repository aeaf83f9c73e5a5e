"""Sends: the span begins where the application sends, whoever publishes the message later, and ends with its delivery.

Everything passes through ``as_future_message``: topics, agents, events, sinks, repartitioning, tables, and what waits for a commit.
"""

from __future__ import annotations

import functools
from typing import Any

from lineage.agent.guard import guarded
from lineage.agent.patches.faust.clients import producer_of
from lineage.agent.patching import Patch
from lineage.agent.recorder import Recorder, switch
from lineage.agent.sends import SendSpan

_ATTRIBUTE = "_lineage_send"


class _Report:
    """A delivery, as the recorder asks about it."""

    def __init__(self, metadata: Any) -> None:
        self._metadata = metadata

    def partition(self) -> int | None:
        return getattr(self._metadata, "partition", None)

    def offset(self) -> int | None:
        return getattr(self._metadata, "offset", None)


class _Problem:
    """A failed delivery, as the recorder asks about it."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def name(self) -> str:
        return type(self._error).__qualname__

    def str(self) -> str:
        return f"{self._error}"


def composing(original: Any) -> Any:
    """``Channel.as_future_message``."""

    @functools.wraps(original)
    def as_future_message(self: Any, *args: Any, **kwargs: Any) -> Any:
        future = original(self, *args, **kwargs)
        if switch.recorder is not None:
            _start(switch.recorder, self, future)
        return future

    return as_future_message


def publishing(original: Any) -> Any:
    """``Topic.publish_message``: where it raises, nothing else tells of the message's end."""

    @functools.wraps(original)
    async def publish_message(self: Any, fut: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await original(self, fut, *args, **kwargs)
        except BaseException as error:
            send = send_of(fut)
            if send is not None:
                send.sends.refused(send, error)
            raise

    return publish_message


def publishing_in_thread(original: Any) -> Any:
    """``ThreadedProducer.publish_message``: it never fulfils the promise that the application holds, but one of its own."""

    @functools.wraps(original)
    async def publish_message(self: Any, fut_other: Any, *args: Any, **kwargs: Any) -> Any:
        future = await original(self, fut_other, *args, **kwargs)
        send = send_of(fut_other)
        if send is not None:
            _await_report(send, future)
        return future

    return publish_message


def send_of(future: Any) -> SendSpan | None:
    """The send that a message's promise stands for."""
    return getattr(future, _ATTRIBUTE, None)


@guarded
def _start(recorder: Recorder, channel: Any, future: Any) -> None:
    topics = getattr(channel, "topics", None)
    if not topics or len(topics) != 1:
        return  # in memory, or for the library to refuse
    message = future.message
    given = message.headers
    headers = dict(given) if isinstance(given, dict) else list(given or ())
    send = recorder.sends.start(
        producer_of(recorder, channel.app), topics[0], message.value, message.key, headers, None
    )
    if send is None:
        return
    carried = dict(send.headers) if isinstance(given, dict) else send.headers
    future.message, send.headers = message._replace(headers=carried), None
    setattr(future, _ATTRIBUTE, send)
    _await_report(send, future)


@guarded
def _await_report(send: SendSpan, future: Any) -> None:
    future.add_done_callback(functools.partial(_reported, send))


@guarded
def _reported(send: SendSpan, future: Any) -> None:
    if future.cancelled():
        send.sends.unreported(send)
        return
    # Its method `exception` would count as the application's having looked at the error.
    error = future._exception
    if error is None:
        send(None, _Report(future.result()))
    else:
        send(_Problem(error), None)


SEND_PATCHES = (
    Patch("faust.channels", "Channel.as_future_message", composing),
    Patch("faust.topics", "Topic.publish_message", publishing),
    Patch("faust.transport.drivers.aiokafka", "ThreadedProducer.publish_message", publishing_in_thread, optional=True),
)

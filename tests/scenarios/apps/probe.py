"""What an application can see of confluent-kafka, as a report that must be the same with and without the agent."""

import abc
import collections
import copy
import gc
import inspect
import json
import pickle
import sys
import typing

import confluent_kafka
from confluent_kafka import (
    Consumer,
    DeserializingConsumer,
    KafkaException,
    Message,
    Producer,
    SerializingProducer,
    TopicPartition,
    cimpl,
)
from plain import CLIENT, CONSUMER, WRITES, places, shown
from plain import PRODUCER as SOMEWHERE

TOPIC = WRITES[0]
PRODUCER = {**SOMEWHERE, "partitioner": "consistent", "sticky.partitioning.linger.ms": 0}  # no chance in the report
OURS = ("traceparent", "tracestate", "baggage", "lineage-context")
REPORT = {}


def probe(function):
    """Run a probe and note what came of it, an exception too."""
    REPORT[function.__name__] = outcome(function)
    return function


def outcome(function, *arguments, **options):
    try:
        return plain(function(*arguments, **options))
    except BaseException as error:
        return {"raised": [each.__name__ for each in type(error).__mro__], "says": str(error)}


def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(plain, value)]
    if isinstance(value, (str, int, float, type(None))):
        return value
    return shown(value) if isinstance(value, bytes) else f"<{type(value).__name__}>"


def delivered(produce, *, informed=False):
    """Produce to the topic, and give what the delivery report and a consumer say about it.

    An informed producer knows its partitions: else it is chance whether one that does not exist is refused now or later.
    """
    reports = []
    producer = Producer(PRODUCER)
    if informed:
        producer.list_topics(TOPIC, 10)
    returned = produce(producer, lambda error, message: reports.append((error, message)))
    left = producer.flush(10)
    return {
        "returned": returned,
        "left": left,
        "reports": [[error and error.name(), described(message)] for error, message in reports],
        "read": read_new(),
    }


def described(message):
    """Everything a message tells, except where and when."""
    return {
        "topic": message.topic() == TOPIC,
        "partition": message.partition(),
        "key": message.key(),
        "value": message.value(),
        "headers": foreign(message.headers()),
        "headers type": type(message.headers() or []).__name__,
        "same headers": message.headers() is message.headers(),
        "same value": message.value() is message.value(),
        "timestamp type": message.timestamp()[0],
        "length": len(message),
        "type": type(message).__name__,
        "is message": isinstance(message, Message),
        "error": message.error(),
    }


def foreign(headers):
    return [header for header in headers or [] if header[0] not in OURS] or None


READER = Consumer({**CONSUMER, "fetch.wait.max.ms": 5})
READER.assign(places([TOPIC]))
MARKER = b"read until here"
MARKING = Producer(PRODUCER)


def read_new():
    """What came since the last time, in the order of partitions."""
    for place in places([TOPIC]):
        MARKING.produce(TOPIC, MARKER, partition=place.partition)
    MARKING.flush(10)
    messages, markers = [], 0
    while markers < len(places([TOPIC])):
        message = READER.poll(10)
        if message.value() == MARKER:
            markers += 1
        else:
            messages.append(described(message))
    return sorted(messages, key=lambda each: (each["partition"], str(each)))


# --- how arguments are passed


ARGUMENTS = {
    "topic only": ([TOPIC], {}),
    "keyword topic": ([], {"topic": TOPIC, "value": "v"}),
    "value": ([TOPIC, "v"], {}),
    "bytes value": ([TOPIC, b"\x00\xff"], {}),
    "value and key": ([TOPIC, "v", "k"], {}),
    "partition by position": ([TOPIC, "v", "k", 1], {}),
    "partition by keyword": ([TOPIC], {"value": "v", "partition": 2}),
    "none partition": ([TOPIC], {"partition": None}),
    "timestamp by position": ([TOPIC, "v", "k", 0, None, None, 1234567890123], {}),
    "timestamp by keyword": ([TOPIC, "v"], {"timestamp": 1234567890123}),
    "headers by position": ([TOPIC, "v", "k", 0, None, None, 0, [("a", b"1")]], {}),
    "nine": ([TOPIC, "v", "k", 0, None, None, 0, [], "ninth"], {}),
    "no topic": ([], {}),
    "no topic but value": ([], {"value": "v"}),
    "none topic": ([None], {}),
    "bytes topic": ([b"topic"], {}),
    "int topic": ([7], {}),
    "empty topic": ([""], {}),
    "unknown keyword": ([TOPIC], {"valeu": "v"}),
    "doubled": ([TOPIC], {"topic": TOPIC}),
    "int value": ([TOPIC, 7], {}),
    "dict value": ([TOPIC, {}], {}),
    "bytearray value": ([TOPIC, bytearray(b"v")], {}),
    "memoryview value": ([TOPIC, memoryview(b"v")], {}),
    "int key": ([TOPIC, "v", 7], {}),
    "bad callback": ([TOPIC, "v"], {"callback": "no function"}),
    "bad on_delivery": ([TOPIC, "v"], {"on_delivery": 7}),
    "bad partition": ([TOPIC, "v", "k", "first"], {}),
    "partition out of range": ([TOPIC, "v", "k", 99], {}),
    "negative partition": ([TOPIC, "v", "k", -7], {}),
    "negative timestamp": ([TOPIC, "v"], {"timestamp": -5}),
    "bad timestamp": ([TOPIC, "v"], {"timestamp": "now"}),
    "too large": ([TOPIC, b"x" * 1_100_000], {}),
    "just too large with a header": ([TOPIC, b"x" * 1_000_000], {"headers": [("a", b"x" * 1000)]}),
    "surrogates": ([TOPIC, "\ud800"], {}),
}
for name, (arguments, options) in ARGUMENTS.items():
    REPORT[f"argument {name}"] = outcome(
        delivered,
        lambda producer, done, a=arguments, o=options: producer.produce(*a, **o),
        informed="partition" in name,
    )


# --- headers


class ListOfMine(list):
    pass


class Pair(typing.NamedTuple):
    name: str
    value: bytes


HEADERS = {
    "none": None,
    "empty list": [],
    "empty dict": {},
    "list": [("a", b"1"), ("b", "text"), ("a", None), ("a", b"1")],
    "dict": {"a": b"1", "b": "text", "c": None},
    "ordered dict": collections.OrderedDict([("z", b"1"), ("a", b"2")]),
    "default dict": collections.defaultdict(bytes, {"a": b"1"}),
    "list subclass": ListOfMine([("a", b"1")]),
    "named tuples": [Pair("a", b"1")],
    "bytes names": [(b"a", b"1")],
    "empty name": [("", b"1")],
    "unicode": [("n\u00e4me", "v\u00e4lue")],
    "tuple of tuples": (("a", b"1"),),
    "empty tuple": (),
    "list of lists": [["a", b"1"]],
    "generator": "a generator",
    "set": {("a", b"1")},
    "string": "a=1",
    "int": 7,
    "true": True,
    "int value": [("a", 1)],
    "int value in a dict": {"a": 1},
    "bytearray value": [("a", bytearray(b"1"))],
    "three": [("a", b"1", b"2")],
    "one": [("a",)],
    "none name": [(None, b"1")],
    "int name": [(1, b"1")],
    "none in list": [None],
    "strings in list": ["ab"],
    "bad after good": [("a", b"1"), ("b", 2)],
    "many": [(f"h{number}", b"%d" % number) for number in range(200)],
    "binary": [("a", bytes(range(256)))],
    "nul in name": [("a\0b", b"1")],
}


def with_headers(headers):
    """Produce with these headers, and see that the object is what it was."""
    if headers == "a generator":
        headers = (pair for pair in [("a", b"1")])
    before = headers if inspect.isgenerator(headers) else copy.copy(headers)
    result = outcome(delivered, lambda producer, done: producer.produce(TOPIC, "v", headers=headers, callback=done))
    return {"result": result, "unchanged": headers == before, "type": type(headers).__name__}


for name, headers in HEADERS.items():
    REPORT[f"headers {name}"] = outcome(with_headers, headers)


@probe
def headers_used_again():
    headers = [("a", b"1")]
    delivered(lambda producer, done: [producer.produce(TOPIC, "v", headers=headers) for _ in range(3)])
    return headers


# --- callbacks


CALLBACKS = {
    "none given": lambda one, two: {},
    "callback": lambda one, two: {"callback": one},
    "on_delivery": lambda one, two: {"on_delivery": two},
    "both": lambda one, two: {"callback": one, "on_delivery": two},
    "none and on_delivery": lambda one, two: {"callback": None, "on_delivery": two},
    "callback and none": lambda one, two: {"callback": one, "on_delivery": None},
    "both none": lambda one, two: {"callback": None, "on_delivery": None},
}


def called(options, config):
    """Which of three callbacks are called, for a delivered and for a failing record."""
    calls = []

    def note(name):
        return lambda error, message: calls.append(
            [name, error and error.name(), error and str(error), message.value(), message.key(), message.headers()]
        )

    with_default = {
        **PRODUCER,
        "message.timeout.ms": 1000,
        **({"on_delivery": note("config")} if "default" in config else {}),
    }
    if "errors only" in config:
        with_default["delivery.report.only.error"] = True
    producer = Producer(with_default)
    producer.produce(TOPIC, "good", "k", headers=[("a", b"1")], **options(note("callback"), note("on_delivery")))
    lengths = [len(producer) > 0, producer.flush(10), len(producer)]
    return {"calls": calls, "lengths": lengths}


for name, options in CALLBACKS.items():
    for config in ("", "default", "errors only", "default, errors only"):
        REPORT[f"callbacks {name}; config: {config}"] = outcome(called, options, config)


@probe
def failed_delivery():
    """A record that nobody takes: its reports, with and without a callback for it."""
    calls = []

    def done(error, message):
        calls.append(
            [error.name(), error.str(), message.value(), message.key(), message.headers(), message.partition()]
        )

    producer = Producer({"bootstrap.servers": "127.0.0.1:1", "message.timeout.ms": 200, "log_level": 0})
    producer.produce(TOPIC, "v", "k", headers={"a": b"1"}, callback=done)
    producer.produce(TOPIC, "w", on_delivery=done)
    producer.produce(TOPIC, "silent")
    return producer.flush(5), calls


@probe
def purged():
    calls = []
    producer = Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    producer.produce(TOPIC, "v", callback=lambda error, message: calls.append(error.name()))
    producer.purge()
    return producer.flush(5), calls


@probe
def full_queue():
    """BufferError when the queue is full, and its text."""
    producer = Producer({"bootstrap.servers": "127.0.0.1:1", "queue.buffering.max.messages": 2, "log_level": 0})
    outcomes = [outcome(producer.produce, TOPIC, "v") for _ in range(3)]
    producer.purge()
    return outcomes


@probe
def callback_raises_in_poll():
    producer = Producer(PRODUCER)

    def done(error, message):
        raise LookupError("from the callback")

    producer.produce(TOPIC, "v", callback=done)
    producer.produce(TOPIC, "w", callback=done)
    first = outcome(producer.flush, 10)
    return first, outcome(producer.flush, 10), len(producer)


@probe
def callback_kinds():
    """Bound methods, partials, callables and builtins are called all the same."""

    class Callable:
        def __init__(self):
            self.calls = []

        def __call__(self, error, message):
            self.calls.append("called")

        def method(self, error, message):
            self.calls.append("method")

    one = Callable()
    producer = Producer(PRODUCER)
    producer.produce(TOPIC, "v", callback=one)
    producer.flush(10)
    producer.produce(TOPIC, "v", callback=one.method)
    producer.flush(10)
    producer.produce(TOPIC, "v", callback=lambda *both: one.calls.append(len(both)))
    producer.flush(10)
    return one.calls


@probe
def callback_is_released():
    """Nobody keeps a callback after its call."""

    class Witness:
        def __call__(self, error, message):
            pass

    producer, alive = Producer(PRODUCER), []
    witness = Witness()
    alive.append(sys.getrefcount(witness))
    producer.produce(TOPIC, "v", callback=witness)
    producer.flush(10)
    gc.collect()
    alive.append(sys.getrefcount(witness))
    return alive[0] == alive[1]


@probe
def callback_sends_again():
    """Produce from within a delivery callback."""
    calls = []
    producer = Producer(PRODUCER)

    def done(error, message):
        calls.append(message.value())
        if len(calls) < 3:
            producer.produce(TOPIC, f"again {len(calls)}", callback=done)

    producer.produce(TOPIC, "first", callback=done)
    while len(producer):
        producer.poll(0.1)
    return calls, read_new()


# --- the producer


@probe
def producer_methods():
    producer = Producer(PRODUCER)
    producer.produce(TOPIC, "v")
    polled = producer.poll(5)
    return polled, producer.poll(0), producer.flush(5), producer.flush(), len(producer), bool(producer)


@probe
def producer_as_context():
    with Producer(PRODUCER) as producer:
        inside = type(producer).__name__
        producer.produce(TOPIC, "v")
    return inside, read_new()


@probe
def producer_context_lets_errors_through():
    with Producer(PRODUCER):
        raise LookupError("mine")


@probe
def producer_after_close():
    producer = Producer(PRODUCER)
    if not hasattr(producer, "close"):
        return "no close in this version"
    closed = producer.close()
    return (
        closed,
        outcome(producer.close),
        outcome(producer.produce, TOPIC, "v"),
        outcome(producer.poll, 0),
        outcome(len, producer),
    )


@probe
def producer_configs():
    """Ways to configure, and wrong ones."""
    return [
        outcome(lambda: type(Producer(PRODUCER)).__name__),
        outcome(lambda: type(Producer(**{"bootstrap.servers": "x:1", "log_level": 0})).__name__),
        outcome(lambda: type(Producer({"bootstrap.servers": "x:1"}, logger=None)).__name__),
        outcome(Producer),
        outcome(Producer, None),
        outcome(Producer, "x"),
        outcome(Producer, {}, {}),
        outcome(Producer, {"no.such.property": 1}),
        outcome(Producer, {"bootstrap.servers": 7, "linger.ms": "long"}),
        outcome(Producer, {"bootstrap.servers": "x:1", "on_delivery": "no function"}),
    ]


@probe
def config_is_unchanged():
    config = {**PRODUCER, "on_delivery": print}
    before = dict(config)
    Producer(config)
    consumer_config = dict(CONSUMER)
    Consumer(consumer_config).close()
    return config == before, consumer_config == CONSUMER


@probe
def produce_batch():
    if not hasattr(Producer, "produce_batch"):
        return "no batches in this version"
    calls = []
    producer = Producer(PRODUCER)
    good = [
        {"value": b"1"},
        {"value": b"2", "key": b"k", "partition": 1},
        {"value": b"3", "callback": lambda error, message: calls.append(message.value())},
        {"value": b"5", "headers": [("a", b"1")]},
        {},
    ]
    before = [dict(each) for each in good]
    count = producer.produce_batch(TOPIC, good)
    producer.flush(10)
    wrong = [
        outcome(producer.produce_batch, TOPIC, messages)
        for messages in (
            [],
            None,
            ({"value": b"t"},),
            [None],
            [7],
            "text",
            [{"value": 7}],
            [{"value": b"v", "partition": "x"}],
            [{"timestamp": 1}],
        )
    ]
    named = outcome(producer.produce_batch, topic=TOPIC, messages=[{"value": b"named"}], partition=2)
    defaults = outcome(
        producer.produce_batch,
        TOPIC,
        [{"value": b"d"}],
        partition=0,
        callback=lambda error, message: calls.append(message.value()),
    )
    left = producer.flush(10)
    return (
        count,
        good == before,
        [list(each) for each in good],
        wrong,
        named,
        defaults,
        left,
        sorted(calls),
        [{**each, "headers": None} for each in read_new()],
    )


@probe
def transactions_without_an_id():
    producer = Producer(PRODUCER)
    return [
        outcome(producer.init_transactions, 1),
        outcome(producer.begin_transaction),
        outcome(producer.commit_transaction, 1),
        outcome(producer.abort_transaction, 1),
    ]


# --- the consumer


@probe
def consumer_basics():
    consumer = Consumer(CONSUMER)
    never = outcome(consumer.poll, 0)
    consumer.assign(places([TOPIC]))
    first = consumer.poll(5)
    more = consumer.consume(3, timeout=5)
    rest = consumer.consume(num_messages=2, timeout=5.0)
    return [
        never,
        type(first).__name__,
        [isinstance(more, list), more == list(more), len(more), type(more[0]).__name__],
        len(rest),
        outcome(consumer.consume, 0, 0.1),
        outcome(consumer.consume, -1),
        outcome(consumer.consume, 2_000_000),
        outcome(consumer.consume, "x"),
        outcome(consumer.poll, "x"),
        outcome(consumer.poll, 0, 0),
        outcome(consumer.poll, timeout=0) is None,
        sorted(str(each.partition) for each in consumer.assignment()),
        outcome(consumer.close),
        outcome(consumer.close),
        outcome(consumer.poll, 0),
        outcome(consumer.consume, 1, 0),
        outcome(consumer.commit),
        outcome(consumer.subscribe, [TOPIC]),
    ]


@probe
def consumer_configs():
    return [
        outcome(lambda: Consumer(CONSUMER).close()),
        outcome(lambda: Consumer(**CONSUMER).close()),
        outcome(Consumer),
        outcome(Consumer, None),
        outcome(Consumer, CLIENT),
        outcome(Consumer, {"group.id": "g", "no.such.property": 1}),
        outcome(Consumer, {"group.id": "g", "on_commit": "no function"}),
        outcome(lambda: Consumer(CONSUMER).poll(0)),
        outcome(lambda: Consumer(CONSUMER).subscribe("text")),
        outcome(lambda: Consumer(CONSUMER).subscribe([TOPIC], on_assign="no function")),
        outcome(lambda: Consumer(CONSUMER).assign([1])),
        outcome(lambda: Consumer(CONSUMER).commit(message="no message")),
    ]


@probe
def consumer_as_context():
    with Consumer(CONSUMER) as consumer:
        consumer.assign(places([TOPIC]))
        inside = type(consumer.poll(5)).__name__
    return inside, outcome(consumer.poll, 0)


@probe
def ends_of_partitions_and_errors_are_messages():
    consumer = Consumer({**CONSUMER, "enable.partition.eof": True})
    consumer.assign([TopicPartition(TOPIC, 0, confluent_kafka.OFFSET_END)])
    message = consumer.poll(10)
    end = [
        message.error().name(),
        message.value() is not None,
        message.key(),
        message.headers(),
        message.topic() == TOPIC,
    ]
    consumer.seek(TopicPartition(TOPIC, 0, confluent_kafka.OFFSET_END))
    (again,) = consumer.consume(1, timeout=10)
    consumer.close()
    return end, again.error().name()


@probe
def commits():
    consumer = Consumer({**CONSUMER, "enable.auto.commit": False, "group.id": CONSUMER["group.id"] + "-commits"})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    message = consumer.poll(10)
    results = [
        consumer.commit(message, asynchronous=False)[0].offset,
        consumer.commit(message=message, asynchronous=False)[0].offset,
        consumer.commit(offsets=[TopicPartition(TOPIC, 0, 2)], asynchronous=False)[0].offset,
        consumer.commit(message),
        outcome(consumer.commit, message=message, offsets=[]),
        outcome(consumer.store_offsets, message),
        [each.offset for each in consumer.position([TopicPartition(TOPIC, 0)])],
    ]
    consumer.close()
    return results


@probe
def messages_can_be_changed():
    """set_* and construction of messages."""
    consumer = Consumer(CONSUMER)
    consumer.assign(places([TOPIC]))
    message = consumer.poll(10)
    message.set_value({"any": "object"})
    message.set_key(7)
    message.set_headers([("mine", b"1")])
    consumer.close()
    return (
        message.value(),
        message.key(),
        message.headers(),
        outcome(setattr, message, "note", 1),
        outcome(hash, message) == outcome(hash, message),
    )


# --- types


class WithMeta(Producer, metaclass=abc.ABCMeta):
    @abc.abstractmethod
    def needed(self):
        """Must be given."""


class Complete(WithMeta):
    def needed(self):
        return "given"


T = typing.TypeVar("T")


class GenericProducer(Producer, typing.Generic[T]):
    pass


class Own(Consumer):
    attribute = "of the class"

    def __init__(self, config, extra=None):
        super().__init__(config)
        self.extra = extra

    def poll(self, timeout=0.1):
        return super().poll(timeout)


class Cooperative:
    def __init__(self, *arguments, **options):
        self.mixed = "in"
        super().__init__(*arguments, **options)


class Mixed(Cooperative, Producer):
    pass


def delivered_by(kind):
    calls = []
    producer = kind(PRODUCER)
    producer.produce(TOPIC, "v", callback=lambda error, message: calls.append(message.value()))
    return producer.flush(10), calls


@probe
def subclasses():
    own = Own(CONSUMER, extra=7)
    own.assign(places([TOPIC]))
    polled = own.poll(5)
    own.close()
    return [
        [own.extra, own.attribute, type(own).__name__, isinstance(own, Consumer), polled is not None],
        outcome(WithMeta, PRODUCER),
        Complete(PRODUCER).needed(),
        type(GenericProducer[int](PRODUCER)).__name__,
        Mixed(PRODUCER).mixed,
        outcome(delivered_by, Complete),
        outcome(delivered_by, GenericProducer),
        outcome(delivered_by, Mixed),
    ]


@probe
def types():
    producer, consumer = Producer(PRODUCER), Consumer(CONSUMER)
    consumer.close()
    return [
        isinstance(producer, Producer) and isinstance(producer, cimpl.Producer),
        isinstance(consumer, Consumer) and isinstance(consumer, cimpl.Consumer),
        cimpl.Producer is Producer and confluent_kafka.Producer is Producer,
        issubclass(SerializingProducer, Producer),
        issubclass(DeserializingConsumer, Consumer),
        [Producer.__name__, Producer.__qualname__, Producer.__module__, Producer.__doc__],
        [Consumer.__name__, Consumer.__qualname__, Consumer.__module__, Consumer.__doc__],
        [Message.__name__, Message.__qualname__, Message.__module__],
        [type(producer) is Producer, type(consumer) is Consumer],
        [outcome(setattr, producer, "note", 1), outcome(setattr, consumer, "note", 1)],
        [outcome(getattr, producer, "__dict__"), outcome(getattr, consumer, "__weakref__")],
        [outcome(hash, type(producer)) is not None, callable(producer.produce)],
        sorted(name for name in dir(Producer) if not name.startswith("_")),
        sorted(name for name in dir(Consumer) if not name.startswith("_")),
        [Producer.produce.__doc__, Consumer.poll.__doc__, Consumer.consume.__doc__],
        [Producer.produce.__name__, Consumer.poll.__name__],
        [repr(type(producer)), str(Consumer)],
    ]


@probe
def pickling_and_copying():
    producer = Producer(PRODUCER)
    return [
        outcome(lambda: pickle.loads(pickle.dumps(Producer)) is Producer),
        outcome(lambda: pickle.loads(pickle.dumps(Consumer)) is Consumer),
        outcome(lambda: pickle.loads(pickle.dumps(Own)) is Own),
        outcome(lambda: pickle.loads(pickle.dumps(Message)) is Message),
        outcome(lambda: pickle.dumps(producer) and None),
        outcome(lambda: copy.copy(producer) and None),
        outcome(lambda: copy.copy(Producer) is Producer),
    ]


@probe
def pickled_headers_are_plain():
    """A message's headers can be copied, pickled and compared like the list that they are."""
    delivered(lambda producer, done: producer.produce(TOPIC, "v", headers=[("a", b"1")]))
    consumer = Consumer({**CONSUMER, "enable.partition.eof": True})
    consumer.assign(places([TOPIC]))
    headers = None
    while not headers or foreign(headers) != [("a", b"1")]:
        message = consumer.poll(5)
        headers = None if message.error() else message.headers()
    consumer.close()
    copies = [
        pickle.loads(pickle.dumps(headers)),
        copy.copy(headers),
        copy.deepcopy(headers),
        list(headers),
        headers[:],
    ]
    return [
        [type(each).__name__ for each in copies],
        all(each == headers for each in copies),
        isinstance(headers, list),
        all(type(pair) is tuple and type(pair[0]) is str for pair in headers),
        headers[0],
        outcome(json.dumps, [[name, value.decode()] for name, value in foreign(headers)]),
    ]


@probe
def serializing():
    """Serializer errors and contexts."""
    contexts = []

    def serialize(value, context):
        contexts.append([context.field, context.topic == TOPIC, foreign(context.headers)])
        if value == "bad":
            raise LookupError("cannot serialize")
        return value.encode()

    producer = SerializingProducer({**PRODUCER, "value.serializer": serialize, "key.serializer": serialize})
    headers = [("a", b"1")]
    results = [
        outcome(producer.produce, TOPIC, key="k", value="v", headers=headers),
        outcome(producer.produce, TOPIC, "k", "v"),
        outcome(producer.produce, TOPIC, value="bad"),
        outcome(producer.produce, TOPIC, key="bad"),
        outcome(producer.produce),
        outcome(producer.produce, TOPIC, value="v", headers=7),
    ]
    producer.flush(10)

    def deserialize(data, context):
        if context.field == "value" and data == b"v":
            raise LookupError("cannot deserialize")
        return data

    consumer = DeserializingConsumer({**CONSUMER, "value.deserializer": deserialize})
    consumer.assign(places([TOPIC]))
    failure = outcome(lambda: [consumer.poll(2) for _ in range(100_000)])
    consume = outcome(consumer.consume)
    consumer.close()
    return results, contexts, headers, [failure.get("raised"), consume], len(read_new())


@probe
def top_level_names():
    """Modules aside: which of the package's own are loaded is the client's business."""
    return sorted(
        name
        for name, value in vars(confluent_kafka).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    )


@probe
def exceptions_are_the_same_classes():
    try:
        Producer(PRODUCER).produce(TOPIC, b"x" * 1_100_000)
    except KafkaException as error:
        return error.args[0].name(), error.args[0].str()


READER.close()
print(json.dumps(REPORT, sort_keys=True, default=repr))

"""Every span and attribute name that we emit.

``messaging.*``, ``server.*`` and ``error.type`` are OpenTelemetry's messaging conventions v1.44 for Kafka, ``db.*`` and
``code.*`` those for databases and source code; ``lineage.*`` are ours.
"""

from __future__ import annotations

SCOPE = "lineage"

# Operations: the first word of a span's name and the value of messaging.operation.name.
SEND = "send"
PROCESS = "process"
POLL = "poll"
COMMIT = "commit"
ABORT = "abort"

# State operations: the first word of a span's name and the value of db.operation.name.
GET = "get"
PUT = "put"
DELETE = "delete"
EXISTS = "exists"
SCAN = "scan"

# What a user may suppress, by kind of span.
TRANSACTION_KIND = "transaction"
STATE_KIND = "state"
STEP_KIND = "step"
SPAN_KINDS = (SEND, PROCESS, POLL, COMMIT, TRANSACTION_KIND, STATE_KIND, STEP_KIND)

SYSTEM = "messaging.system"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
DESTINATION = "messaging.destination.name"
PARTITION = "messaging.destination.partition.id"
OFFSET = "messaging.kafka.offset"
KEY = "messaging.kafka.message.key"
TOMBSTONE = "messaging.kafka.message.tombstone"
BODY_SIZE = "messaging.message.body.size"
BATCH_COUNT = "messaging.batch.message_count"
GROUP = "messaging.consumer.group.name"
CLIENT_ID = "messaging.client.id"
CLUSTER = "messaging.kafka.cluster.id"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
ERROR_TYPE = "error.type"

HEADER_PREFIX = "messaging.header."

ROLE = "lineage.role"
TIMESTAMP = "lineage.record.timestamp"
TRANSACTION = "lineage.transaction.id"
DELIVERY = "lineage.delivery"
DELIVERY_COUNT = "lineage.delivery.count"
ACKNOWLEDGEMENT = "lineage.acknowledgement"
INPUT_COUNT = "lineage.input.count"
INPUT_RANGES = "lineage.input.ranges"
STATE_KEY = "lineage.state.key"
STEP = "lineage.step"

STORE_SYSTEM = "db.system.name"
STORE = "db.collection.name"
STORE_NAMESPACE = "db.namespace"
STORE_OPERATION = "db.operation.name"
ROWS = "db.response.returned_rows"
FUNCTION = "code.function.name"
FUNCTION_LINE = "code.line.number"

OUTCOME_UNKNOWN = "unknown"

OPERATION_TYPES = {SEND: "send", PROCESS: "process", POLL: "receive", COMMIT: "settle", ABORT: "settle"}

METRIC_SENT = "messaging.client.sent.messages"
METRIC_CONSUMED = "messaging.client.consumed.messages"
METRIC_OPERATION_DURATION = "messaging.client.operation.duration"
METRIC_PROCESS_DURATION = "messaging.process.duration"

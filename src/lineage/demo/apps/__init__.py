"""The demo's pipeline: plain Kafka applications, each run as a script of its own. Nothing in them knows of tracing."""

# The collector's own image holds nothing but the binary, so a health check has nothing to run: put it on a base with wget.
FROM otel/opentelemetry-collector-contrib:0.161.0 AS collector

FROM alpine:3.22.1
COPY --from=collector /otelcol-contrib /otelcol-contrib
COPY docker/collector.yaml /etc/otelcol/config.yaml
USER 10001
ENTRYPOINT ["/otelcol-contrib"]
CMD ["--config", "/etc/otelcol/config.yaml"]

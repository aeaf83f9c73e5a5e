# The demo pipeline with the agent, built from this checkout.
FROM python:3.13.9-slim-bookworm
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip install --no-cache-dir '.[demo]'
RUN useradd --create-home app
USER app
CMD ["lineage", "demo", "--bootstrap", "kafka:9092"]

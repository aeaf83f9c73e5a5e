"""docker-compose.yaml, checked without Docker: against the compose schema, and for what a schema cannot say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
SERVICES = COMPOSE["services"]
PINNED = re.compile(r".+:\d+\.\d+\.\d+[\w.-]*$")

each_service = pytest.mark.parametrize("name", SERVICES)


def images(service):
    """Every image that a service starts from, its Dockerfile's too."""
    if "image" in service:
        return [service["image"]]
    dockerfile = (ROOT / service["build"]["dockerfile"]).read_text()
    return re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)


def runs_once(service):
    """Whether a service is expected to end."""
    return service.get("restart") == "no" and "healthcheck" not in service


def test_file_obeys_the_compose_schema():
    """The schema that Docker Compose itself ships."""
    schema = json.loads((ROOT / "tests/data/compose-spec.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(COMPOSE)


def test_the_schema_refuses_a_misspelt_key():
    """Otherwise the test above proves nothing."""
    schema = json.loads((ROOT / "tests/data/compose-spec.json").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({"services": {"kafka": {"imagee": "apache/kafka"}}})


@each_service
def test_every_image_is_pinned_to_a_full_version(name):
    """`latest` would make a broken release ours."""
    found = images(SERVICES[name])
    assert found
    assert all(PINNED.match(image) for image in found), found


@each_service
def test_every_service_is_checked_or_runs_once(name):
    """A service that stays up tells whether it works."""
    service = SERVICES[name]
    assert "healthcheck" in service or runs_once(service)


@each_service
def test_every_dependency_waits_for_health(name):
    """`service_started` says nothing about a broker that still elects itself."""
    for dependency, wait in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if runs_once(SERVICES[dependency]) else "service_healthy"
        assert wait["condition"] == expected


@each_service
def test_every_mounted_or_copied_file_exists(name):
    """A missing bind source would become an empty folder in the container."""
    service = SERVICES[name]
    sources = [volume.split(":")[0] for volume in service.get("volumes", [])]
    if "build" in service:
        dockerfile = ROOT / service["build"]["dockerfile"]
        copies = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile.read_text(), re.MULTILINE)
        sources += [source for copy in copies for source in copy.split()]
    assert all((ROOT / source).exists() for source in sources), sources


def test_nothing_is_published_beyond_this_machine():
    """The stack has no passwords."""
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in published)

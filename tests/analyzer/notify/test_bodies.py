"""What we publish of our bodies is what we send."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema_rs
import pytest

from analyzer.api.bodies import BODIES, event_types, schema
from analyzer.app import build
from analyzer.config import AnalyzerSettings
from analyzer.notify.channels import render
from tests.analyzer.notify.test_channels import EVENTS, TO

GUIDE = Path(__file__).parents[3] / "docs/how-to/receive-webhooks.md"


@pytest.mark.parametrize("form", sorted(BODIES))
@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_body_keeps_its_schema_and_has_no_key_beside_it(form, name):
    message = render(EVENTS[name], TO, form)
    assert message is not None
    body = json.loads(message.body)
    jsonschema_rs.validator_for(schema(form)).validate(body)
    read = BODIES[form].model_validate(body)
    assert read.model_dump(exclude_unset=True) == body


@pytest.mark.parametrize("form", sorted(BODIES))
def test_the_schema_can_say_no(form):
    message = render(EVENTS["opened"], TO, form)
    assert message is not None
    body = json.loads(message.body)
    body.pop("id")
    assert not jsonschema_rs.validator_for(schema(form)).is_valid(body)


def test_the_published_files_are_the_schemas_of_the_code():
    folder = Path(__file__).parents[3] / "docs/reference/schemas"
    for form in BODIES:
        written = json.loads((folder / f"{form}.json").read_text("utf-8"))
        assert written == schema(form), "run: make docs"


def test_openapi_lists_every_event_as_a_webhook(tmp_path):
    app = build(AnalyzerSettings(data=tmp_path), scheduled=False)
    document = app.openapi()
    assert document["openapi"].startswith("3.1")
    assert sorted(document["webhooks"]) == event_types()
    known = document["components"]["schemas"]
    for hook in document["webhooks"].values():
        shown = hook["post"]["requestBody"]["content"]["application/json"]["schema"]
        names = {one["$ref"].rsplit("/", 1)[1] for one in shown["anyOf"]}
        assert names == {model.__name__ for model in BODIES.values()}
        assert names <= set(known)


def test_the_example_of_the_guide_is_such_a_body():
    example = re.search(r"```json\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert example
    shown = json.loads(example[1])
    message = render(EVENTS["opened"], TO, "alertmanager")
    assert message is not None
    sent = json.loads(message.body)
    assert set(shown) <= set(sent)
    assert set(shown["incident"]) <= set(sent["incident"])

"""The operator's own body: what it can say, and that nothing leads out of the cage."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.notify import EndpointSettings
from analyzer.notify.channels import render
from analyzer.notify.channels.message import MAX_BODY, Addressee, Options
from analyzer.notify.channels.template import TemplateFailed, check, fill
from tests.analyzer.journal.cast import at, opened
from tests.analyzer.notify.house import deliver, listening, write
from tests.analyzer.notify.receiver import receiver
from tests.analyzer.notify.test_channels import EVENTS

DATA = {
    "summary": 'acme "slows" 3\ntenants \u2028 \\',
    "seq": 7,
    "test": False,
    "incident": {
        "id": "INC-1",
        "confidence": 0.97,
        "ended_at": None,
        "victims": {"count": 3, "top": [{"tenant": "globex"}, {"tenant": "initech"}]},
    },
    "decision": None,
    "facts": {"items": "a key, no method"},
}


def filled(text: str):
    return json.loads(fill(text, DATA))


def test_texts_numbers_and_lists_become_json():
    body = filled(
        '{"text": "{{ summary }}", "n": {{ seq }}, "test": {{ test }}, "end": '
        '{{ incident.ended_at }}, "who": [{% for v in incident.victims.top %}"{{ v.tenant }}"'
        "{% if not loop.last %}, {% endif %}{% endfor %}]}"
    )
    assert body["text"] == DATA["summary"]
    assert (body["n"], body["test"], body["end"]) == (7, False, None)
    assert body["who"] == ["globex", "initech"]


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{{ incident | tojson }}", DATA["incident"]),
        ('"{{ incident.victims.top | length }} of {{ incident.victims.count }}"', "2 of 3"),
        ("{{ (incident.confidence * 100) | round | int }}", 97),
        ('"{{ facts.items }}"', "a key, no method"),
        ('{% if decision %}1{% else %}"none"{% endif %}', "none"),
        ('"{{ incident.nothing | default("?") }}"', "?"),
        ('"{{ incident.id | lower }}{{ "-" ~ seq }}"', "inc-1-7"),
        ("{{ incident.victims.top[0] | tojson }}", {"tenant": "globex"}),
        ("{{ seq * 3 - 1 }}", 20),
    ],
)
def test_a_template_is_an_expression_over_the_data(text, made):
    assert filled(text) == made


ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''['__class__'] }}",
    "{{ summary.__class__.__mro__[1].__subclasses__() }}",
    "{{ incident.keys.__globals__ }}",
    "{{ self.__init__.__globals__ }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ lipsum.__globals__ }}",
    "{{ namespace() }}",
    "{{ config }}",
    "{{ request }}",
    "{{ summary.format(x=1) }}",
    "{{ '{0.__class__}'.format(summary) }}",
    "{{ '%s' % summary }}",
    "{{ summary | attr('__class__') }}",
    "{{ incident | map('attr', '__class__') | list }}",
    "{{ (1).__class__ }}",
    "{{ true.__class__.__base__ }}",
    "{{ incident.victims.top.append(1) }}",
    "{% set x = summary %}{{ x }}",
    "{% import 'os' as os %}",
    "{% include '/etc/passwd' %}",
    "{% extends 'x' %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% for x in incident.victims.top recursive %}{{ loop(x) }}{% endfor %}",
    "{% filter upper %}x{% endfilter %}",
    "{% with x = 1 %}{{ x }}{% endwith %}",
    "{% call summary() %}{% endcall %}",
    "{{ summary | replace('a', summary) }}",
    "{{ summary | center(1000000000) }}",
    "{{ summary | indent(1000000000) }}",
    "{{ 'x' * 1000000000 }}",
    "{{ [1] * 1000000000 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ range(1000000000) | list }}",
    "{{ summary | tojson(**incident) }}",
    "{{ ''|string.__class__ }}",
    "{% for v in incident.victims.top %}{{ loop.__class__ }}{% endfor %}",
    "{% for v in incident.victims.top %}{{ loop.cycle }}{% endfor %}",
]


@pytest.mark.parametrize("text", ESCAPES)
def test_nothing_leads_out_of_the_cage(text):
    started = time.monotonic()
    with pytest.raises(TemplateFailed) as failed:
        fill(f'"{text}"', DATA)
    assert time.monotonic() - started < 5
    assert "object at 0x" not in str(failed.value)
    assert "<class" not in str(failed.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ summary", "line 1"),
        ("\n{{ nobody.knows }}", "'nobody' is undefined"),
        ("{{ incident.nothing }}", "nothing"),
        ("{{ summary }}", "is no JSON"),
        ("x" * 9000, "longer than 8000"),
        ("{{ summary | sort }}", "there is no filter sort"),
        ("{% for a in facts %}{% for b in facts %}{% for c in facts %}{% endfor %}{% endfor %}"
         "{% endfor %}", "at most 2 deep"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(text, said):
    with pytest.raises(TemplateFailed, match=said):
        fill(text, DATA)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="{}%|.()[]'\"_ abcdefx0159~*+-/\n", max_size=60))
def test_no_text_is_a_template_that_does_anything_else_than_work_or_fail(text):
    try:
        json.loads(fill("{{ " + text + " }}", DATA))
    except TemplateFailed:
        return


def test_a_wrong_template_is_told_when_it_is_set():
    endpoint = EndpointSettings("a", "https://a.example/", "json", template="{{ x")
    (said,) = endpoint.problems()
    assert said.startswith("endpoint 'a'.template: line 1")
    assert check('{"a": "{{ summary }}"}') == ""


def test_a_body_too_large_is_no_body():
    with pytest.raises(TemplateFailed, match="larger"):
        fill('"{{ summary }}"', {"summary": "é" * MAX_BODY})


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_a_failing_template_falls_back_to_the_default_body(name):
    to = Addressee("a", "https://a.example/", options=Options(template="{{ nobody }}"))
    plain = render(EVENTS[name], Addressee("a", "https://a.example/"), "json")
    fallen = render(EVENTS[name], to, "json")
    assert plain is not None
    assert fallen is not None
    assert fallen.body == plain.body
    assert "'nobody' is undefined; the default body was sent" in fallen.note


def test_a_failure_is_delivered_and_stands_in_the_log(store):
    with receiver() as hook:
        wanted = EndpointSettings("own", hook.url, "json", template='{"x": "{{ nobody }}"}')
        settings_ = listening(store, wanted)
        write(store, opened(), now=at(1))
        assert deliver(store, settings_, at(1)).delivered == 1
    assert hook.got[0].json["type"] == "incident.opened"
    (record,) = store.records(
        "notify_deliveries", id=None, state="delivered", endpoint=None, incident=None, limit=9
    )
    assert record["error"].startswith("template: 'nobody' is undefined")

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from collector.decode.exposition import decode, labels_of
from collector.model import Rejected, Rejection
from collector.readings import Readings
from collector.series import Origin, SeriesBook
from tests.collector.books import book

NOW = 1_795_000_000_000
ORIGIN = Origin("scrape", labels=(("job", "web"),))


def read(page: str | bytes, known: SeriesBook | None = None, *, openmetrics=False, most=1000):
    body = page.encode() if isinstance(page, str) else page
    target = book() if known is None else known
    return decode(body, target, ORIGIN, now_ms=NOW, max_series=most, openmetrics=openmetrics)


def test_a_page_of_the_reference_client_is_read():
    registry = CollectorRegistry()
    counter = Counter("partywall_finished", "Done.", ["tenant", "resource"], registry=registry)
    latency = Histogram(
        "partywall_latency_seconds", "Felt.", ["tenant"], buckets=(0.1, 1), registry=registry
    )
    counter.labels("acme", "db:shard-1").inc(3)
    latency.labels("acme").observe(0.5)
    known = book()
    found = read(generate_latest(registry), known)

    assert found.refused == ()
    columns = {(str(one.column), one.bound) for one in known.fresh}
    assert columns == {
        ("count", None),
        ("latency_bucket", 0.1),
        ("latency_bucket", 1.0),
        ("latency_bucket", float("inf")),
        ("latency_sum_s", None),
    }


def test_the_count_of_a_histogram_feeds_count():
    known = book()
    read('partywall_latency_seconds_count{tenant="acme"} 5\n', known)

    assert [str(one.column) for one in known.fresh] == ["count"]


def test_a_line_without_a_time_gets_the_time_of_the_scrape():
    found = read("partywall_waiting 3\npartywall_waiting 4 1795000000123\n")

    assert found.ts_ms.tolist() == [NOW, 1_795_000_000_123]
    assert found.values.tolist() == [3.0, 4.0]


def test_openmetrics_times_are_seconds_and_exemplars_are_passed_over():
    page = 'partywall_waiting{tenant="a}b"} 3 1795000000.5 # {trace="x"} 1 1.5\n# EOF\n'

    found = read(page, openmetrics=True)

    assert found.ts_ms.tolist() == [1_795_000_000_500]
    assert found.values.tolist() == [3.0]


@pytest.mark.parametrize(
    "line",
    [
        "partywall_waiting",
        "partywall_waiting x",
        "partywall_waiting 1 2 3",
        "partywall_waiting 1_000",
        "partywall_waiting 1 nan",
        "partywall_waiting 1 1e300",
        "{} 1",
        'partywall_waiting{tenant="a 1',
        "partywall_waiting{tenant=a} 1",
        'partywall_waiting{tenant="a" shard="b"} 1',
        "9lives 1",
        'partywall_waiting{tenant="\xff"} 1',
        "} 1",
        "{{{{ 1",
    ],
)
def test_a_line_that_cannot_be_read_costs_only_itself(line):
    page = b"partywall_waiting 1\n" + line.encode("latin-1") + b"\npartywall_waiting 2\n"
    known = book()
    found = read(page, known)

    assert found.values.tolist()[:1] + found.values.tolist()[-1:] == [1.0, 2.0]
    told = [one.detail for one in found.refused]
    slots = [known.columns.state[slot] for slot in found.slots.tolist()]
    assert (told and told[0].startswith("line 2")) or 2 in slots


def test_too_long_a_page_is_refused():
    with pytest.raises(Rejected) as caught:
        read("x 1\n" * 20, most=10)
    assert caught.value.reason is Rejection.TOO_MANY_FIELDS


def escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True), st.text(max_size=20), max_size=4
    )
)
def test_labels_survive_writing_and_reading(labels):
    text = "m{" + ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items()) + "}"

    assert labels_of(text) == {"__name__": "m", **labels}


@given(st.binary(max_size=200))
def test_any_bytes_are_a_page(body):
    found = read(body)

    assert isinstance(found, Readings)
    assert len(found.slots) == len(found.values)


def test_names_in_quotes_are_names():
    assert labels_of('{"http.requests","http.route"="/a"}') == {
        "__name__": "http.requests",
        "http.route": "/a",
    }

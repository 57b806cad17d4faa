import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config import TenancySettings
from collector.model import UNKNOWN_TENANT, Family, Rejected, Rejection
from collector.tenancy import ANYONE, Claim, Resolver, family_of, slug

ACME = Claim("acme")

HOSTILE = [
    "",
    " ",
    "a\nb",
    "a\x00b",
    "a\tb",
    "\x1b[31m",
    "../../etc/passwd",
    "a/b",
    "a\\b",
    "'; DROP TABLE tenants; --",
    "<script>",
    '"},x="',
    "=1+1",
    "+1",
    "-rf",
    "@sum",
    ".hidden",
    "..",
    "__all__",
    "__unknown",
    "a\u202eb",
    "a\u200bb",
    "a\u2028b",
    "\ud800",
    "\ue000",
    "x" * 129,
    "a,b",
    "a{b}",
    "a|b",
    "a%b",
    "a?b#c",
    "😀",
]


@pytest.fixture
def names() -> Resolver:
    return Resolver(TenancySettings())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused_and_the_field_named(name):
    with pytest.raises(Rejected) as caught:
        slug(name, field="tenant")
    assert caught.value.reason is Rejection.INVALID_FIELD
    assert caught.value.field == "tenant"
    assert caught.value.detail.isprintable()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("acme", "acme"),
        ("Acme", "Acme"),
        (" acme ", "acme"),
        ("Acme Corp", "Acme-Corp"),
        ("10.0.0.1:5432", "10.0.0.1:5432"),
        ("no", "no"),
        ("null", "null"),
        ("1e3", "1e3"),
        ("ａcme", "acme"),
        ("Müller", "Müller"),
        ("Mu\u0308ller", "Müller"),
        ("株式会社", "株式会社"),
        ("a=b+c~d@e", "a=b+c~d@e"),
    ],
)
def test_a_name_is_normalised_and_keeps_its_case(name, expected):
    assert slug(name, field="tenant") == expected


@given(st.text(max_size=140))
def test_a_slug_is_a_slug(name):
    try:
        once = slug(name, field="tenant")
    except Rejected:
        return
    assert slug(once, field="tenant") == once
    assert once.isprintable()
    assert not set(once) & set("/\\\"'<>{}\n,;|?#% ")


@pytest.mark.parametrize(
    ("labels", "claim", "expected"),
    [
        ({"tenant": "acme"}, ANYONE, "acme"),
        ({"tenant_id": "globex"}, ANYONE, "globex"),
        ({"tenant.id": "globex"}, ANYONE, "globex"),
        ({"org_id": "hooli"}, ANYONE, "hooli"),
        ({"org_id": "hooli", "tenant": "acme"}, ANYONE, "acme"),
        ({"tenant": "", "org_id": "hooli"}, ANYONE, "hooli"),
        ({}, ANYONE, UNKNOWN_TENANT),
        ({"tenant": "__unknown__"}, ANYONE, UNKNOWN_TENANT),
        ({}, ACME, "acme"),
        ({"tenant": "acme"}, ACME, "acme"),
    ],
)
def test_the_token_comes_before_labels_and_labels_in_their_order(names, labels, claim, expected):
    assert names.tenant_of(labels, claim) == expected


@pytest.mark.parametrize("other", ["globex", "ACME", "__unknown__", "acme2"])
def test_a_bound_token_is_never_another_tenant(names, other):
    with pytest.raises(Rejected):
        names.tenant_of({"tenant": other}, ACME)


def test_a_header_narrows_an_open_claim_and_cannot_widen_a_bound_one(names):
    assert names.claim(ANYONE, "acme") == ACME
    assert names.claim(ACME, "") == ACME
    with pytest.raises(Rejected) as caught:
        names.claim(ACME, "globex")
    assert caught.value.reason is Rejection.FORBIDDEN


@pytest.mark.parametrize(
    ("labels", "family", "template", "expected"),
    [
        ({"resource": "db:shard-3"}, None, "", ("db:shard-3", "query")),
        ({"resource": "queue:exports"}, None, "", ("queue:exports", "queue")),
        ({"resource": "cache:redis-1"}, None, "", ("cache:redis-1", "cache")),
        ({"resource": "anything"}, None, "", ("anything", "request")),
        ({"shard": "shard-3"}, Family.QUERY, "", ("db:shard-3", "query")),
        ({"shard": "db:shard-3"}, None, "", ("db:shard-3", "query")),
        ({"queue": "exports"}, Family.QUEUE, "", ("queue:exports", "queue")),
        ({}, Family.REQUEST, "", ("pool:default", "request")),
        ({}, None, "", ("pool:default", "request")),
        ({"db": "one"}, Family.QUERY, "db:{db}", ("db:one", "query")),
        ({"job": "api"}, Family.REQUEST, "pool:{service|job|web}", ("pool:api", "request")),
        ({}, Family.REQUEST, "pool:{service|job|web}", ("pool:web", "request")),
    ],
)
def test_the_resource_is_named_by_template_or_label(names, labels, family, template, expected):
    assert names.resource_of(labels, family, template) == expected


def test_a_template_cannot_be_used_to_smuggle_a_hostile_name(names):
    with pytest.raises(Rejected):
        names.resource_of({"db": "../x"}, Family.QUERY, "db:{db}")


def test_every_prefix_has_a_family():
    assert [family_of(f"{p}:x") for p in ("pool", "db", "queue", "cache")] == list(Family)

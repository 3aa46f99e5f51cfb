"""The catalogue: what is said to whom, a golden sample of each, and the documents made from it."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from marshmallow import RAISE

from contracts import catalogue
from contracts.asyncapi import VERSION
from contracts.asyncapi import yaml as to_yaml
from contracts.catalogue import BEGIN, END, FACTS, SAMPLES, facts_for, facts_of, sample, sample_file
from contracts.envelope import Fact, encode
from contracts.topology import EXCHANGES, GRANTS, INBOXES, NOTIFICATIONS, SERVICES

ROOT = Path(__file__).parents[2]


def every_fact(test: Any) -> Any:
    """Run the test once for each fact."""
    return pytest.mark.parametrize("fact", FACTS.values(), ids=FACTS)(test)


def test_every_fact_is_in_the_catalogue() -> None:
    def below(fact: type[Fact]) -> set[type[Fact]]:
        return {fact, *(found for child in fact.__subclasses__() for found in below(child))}

    defined = {
        fact for fact in below(Fact) if "NAME" in vars(fact) and fact.__module__.startswith("contracts.")
    }
    assert defined == set(FACTS.values()), "put the class in FACTS at the end of its module"


@every_fact
def test_a_fact_has_an_owner_a_version_and_a_sentence(fact: type[Fact]) -> None:
    assert fact.OWNER in SERVICES
    assert fact.__module__ == f"contracts.{fact.OWNER}", (
        "a fact stands in the module of the service that says it"
    )
    assert set(fact.SUBSCRIBERS) <= set(SERVICES) - {fact.OWNER}
    assert "SUBSCRIBERS" in vars(fact), "name the subscribers, or say () when nobody is expected"
    assert "__doc__" in vars(fact), "the docstring says what happened in the world"
    assert fact.__doc__
    assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)+\.v[1-9]\d*", fact.type())
    spoken = "".join(word.capitalize() for word in fact.NAME.split("_"))
    assert fact.__name__ == spoken + (f"V{fact.VERSION}" if fact.VERSION > 1 else "")
    assert not fact.__name__.endswith("Updated"), "say what happened in the field's own words"


def test_who_says_and_who_hears() -> None:
    assert {type_ for service in SERVICES for type_ in facts_of(service)} == set(FACTS)
    assert set(facts_of(GRANTS)) == {
        "grants.registrations_counted.v1",
        "grants.registration_asked.v1",
        "grants.contribution_received.v1",
        "grants.contribution_refunded.v1",
        "grants.contribution_written_back.v1",
        "grants.round_opened.v1",
        "grants.round_closed.v1",
        "grants.application_link_requested.v1",
        "grants.application_reminded.v1",
        "grants.application_submitted.v1",
        "grants.application_returned.v1",
        "grants.application_refused.v1",
        "grants.application_reopened.v1",
        "grants.application_withdrawn.v1",
        "grants.panel_invited.v1",
        "grants.application_decided.v1",
        "grants.award_reminded.v1",
        "grants.award_accepted.v1",
        "grants.award_paid.v1",
        "grants.award_proof_returned.v1",
        "grants.award_returned.v1",
        "grants.report_due.v1",
        "grants.post_asked.v1",
        "grants.person_data_gathered.v1",
        "grants.erasure_answered.v1",
        "grants.person_scrubbed.v1",
        "grants.chain_head_told.v1",
        "grants.service_reported.v1",
    }
    assert set(facts_for(NOTIFICATIONS)) == {
        "partners.organisation_registered.v1",
        "partners.organisation_amended.v1",
        "partners.organisation_closed.v1",
        "partners.contact_listed.v1",
        "partners.contact_withdrawn.v1",
        "partners.contact_suggestion_settled.v1",
        "partners.person_admitted.v1",
        "partners.roles_changed.v1",
        "partners.person_barred.v1",
        "partners.person_signed_out.v1",
        "partners.token_issued.v1",
        "partners.token_revoked.v1",
        "partners.person_invited.v1",
        "partners.referral_made.v1",
        "partners.referral_reminded.v1",
        "grants.application_link_requested.v1",
        "grants.application_reminded.v1",
        "grants.application_submitted.v1",
        "grants.application_returned.v1",
        "grants.application_refused.v1",
        "grants.application_reopened.v1",
        "grants.application_withdrawn.v1",
        "grants.panel_invited.v1",
        "grants.application_decided.v1",
        "grants.award_reminded.v1",
        "grants.award_accepted.v1",
        "grants.award_paid.v1",
        "grants.award_proof_returned.v1",
        "grants.award_returned.v1",
        "grants.report_due.v1",
        "grants.post_asked.v1",
        "partners.sign_in_requested.v1",
        "partners.person_data_requested.v1",
        "partners.erasure_requested.v1",
        "partners.person_erased.v1",
        "partners.erasure_completed.v1",
        "partners.chain_heads_reported.v1",
        "partners.parked_retry_asked.v1",
        "partners.parked_discard_asked.v1",
        "partners.agreement_offered.v1",
        "partners.agreement_review_due.v1",
        "grants.registrations_counted.v1",
        "grants.registration_asked.v1",
        "grants.contribution_received.v1",
        "grants.contribution_refunded.v1",
        "grants.contribution_written_back.v1",
    }


def test_there_is_one_sample_for_each_fact_and_no_other_file() -> None:
    assert {path.name for path in SAMPLES.iterdir()} == {f"{type_}.json" for type_ in FACTS}


@every_fact
def test_a_sample_is_what_its_owner_would_write(fact: type[Fact]) -> None:
    golden = json.loads(sample_file(fact).read_bytes())
    compact = json.dumps(golden, ensure_ascii=False, separators=(",", ":")).encode()

    assert fact(unknown=RAISE).load(golden["data"]) == sample(fact).data
    assert encode(sample(fact)) == compact


@every_fact
def test_a_sample_holds_no_real_address(fact: type[Fact]) -> None:
    addresses = re.findall(r"@([\w.-]+)", sample_file(fact).read_text("utf-8"))
    assert all(address.endswith(".example") for address in addresses)


def test_the_documents_are_up_to_date() -> None:
    assert catalogue.check() == []


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == VERSION


# The AsyncAPI document was also found valid against the JSON schema of AsyncAPI 3.0.0 that its authors
# publish; these tests hold what we rely on without fetching it.


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document as a reader of YAML sees it."""
    loaded: dict[str, Any] = yaml.safe_load(catalogue.ASYNCAPI.read_text("utf-8"))
    return loaded


def references(value: Any) -> list[str]:
    """Every ``$ref`` in the document."""
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [found for entry in value.values() for found in references(entry)]
    return [found for entry in value for found in references(entry)] if isinstance(value, list) else []


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = references(document)
    assert len(found) > 3 * len(FACTS)
    for reference in found:
        target = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def test_the_document_says_who_says_what_to_whom(document: dict[str, Any]) -> None:
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == {*EXCHANGES.values(), *INBOXES.values()}
    for service in SERVICES:
        says, hears = document["operations"][f"{service}.says"], document["operations"][f"{service}.hears"]
        assert (says["action"], hears["action"]) == ("send", "receive")
        assert says["channel"] == {"$ref": f"#/channels/{EXCHANGES[service]}"}
        assert hears["channel"] == {"$ref": f"#/channels/{INBOXES[service]}"}
        assert [found.rpartition("/")[2] for found in references(says["messages"])] == list(facts_of(service))
        assert [found.rpartition("/")[2] for found in references(hears["messages"])] == list(
            facts_for(service)
        )


def test_the_document_describes_the_broker(document: dict[str, Any]) -> None:
    amqp = document["channels"]["grants.events"]["bindings"]["amqp"]
    exchange = {"name": "grants.events", "type": "topic", "durable": True, "autoDelete": False}
    assert amqp == {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}
    assert document["channels"]["grants.inbox"]["bindings"]["amqp"]["is"] == "queue"


def test_a_payload_is_described_with_its_limits(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    counted = schemas["grants.registrations_counted.v1"]
    assert counted["required"] == ["area", "profession", "count", "counted_on"]
    assert counted["properties"]["count"] == {"type": "integer", "minimum": 0, "maximum": 10**9}
    assert counted["properties"]["area"]["description"] == "A GSS code."

    ask = schemas["notifications.letter_sent.v1"]["properties"]["ask"]
    assert ask["type"] == ["object", "null"]
    assert ask["properties"]["currency"] == {"type": "string", "enum": ["GBP"]}

    address = schemas["partners.contact_listed.v1"]["properties"]["address"]
    assert (address["type"], address["contentEncoding"]) == (["string", "null"], "base64")
    assert address["x-sealed-to"] == "notifications"
    assert set(address["x-sealed-part"]["properties"]) >= {"name", "email", "postcode"}


@every_fact
def test_a_message_carries_its_docstring_and_its_sample(fact: type[Fact], document: dict[str, Any]) -> None:
    message = document["components"]["messages"][fact.type()]
    assert message["title"] == fact.__name__
    assert message["description"].split() == (fact.__doc__ or "").split()
    assert message["examples"] == [{"payload": json.loads(sample_file(fact).read_bytes())}]
    assert message["x-subscribers"] == list(fact.SUBSCRIBERS)


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        "",
        "yes",
        "null",
        "1.0",
        "a: b",
        "# no comment",
        "- no list",
        " led by a space",
        "“é” \\ \t \"quoted\" 'thus'",
        "one\ntwo\n\n  four",
        "ends with a line\n",
        {"no": [1, True, None, {"on": "off"}, [], {}, [["deep"]], "two\nlines"]},
        {"a b": {"c:": ["x", {"y": "one\n\ntwo", "z": [{"k": -1}]}]}},
    ],
)
def test_the_yaml_reads_back_as_it_was(value: Any) -> None:
    assert yaml.safe_load(to_yaml(value)) == value


# What the command does to the files.


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The generated documents in a folder of their own."""
    for name in ("ASYNCAPI", "RELEASED", "EVENTS"):
        path: Path = getattr(catalogue, name)
        copy = tmp_path / path.name
        copy.write_bytes(path.read_bytes())
        monkeypatch.setattr(catalogue, name, copy)
    return tmp_path


def test_nothing_is_written_when_nothing_changed(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert catalogue.main([]) == 0
    assert catalogue.main(["--check"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "nothing to write"


def test_a_stale_document_is_named_and_then_mended(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = elsewhere / "events.md"
    events.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nAfter\n", "utf-8")
    (elsewhere / "asyncapi.yaml").unlink()

    assert catalogue.main(["--check"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "asyncapi.yaml is stale: run `python -m contracts.catalogue`",
        "events.md is stale: run `python -m contracts.catalogue`",
    ]
    assert catalogue.main([]) == 0
    assert catalogue.check() == []
    text = events.read_text("utf-8")
    assert text.startswith("# Before\n\n<!-- events -->\n| event |")
    assert text.endswith("<!-- /events -->\n\nAfter\n")


def test_a_page_without_the_marks_says_which(elsewhere: Path) -> None:
    (elsewhere / "events.md").write_text("# Conduit\n", "utf-8")
    with pytest.raises(ValueError, match="put <!-- events --> and <!-- /events --> back"):
        catalogue.write()


def test_a_breaking_change_is_never_written(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    released = elsewhere / "released.json"
    shapes = json.loads(released.read_bytes())
    shapes["grants.registrations_counted.v1"]["fields"]["country"] = {"kind": "text", "required": True}
    before = json.dumps(shapes)
    released.write_text(before, "utf-8")

    assert catalogue.main(["--check"]) == 1
    assert catalogue.main([]) == 1
    assert "add RegistrationsCountedV2 beside it" in capsys.readouterr().err
    assert released.read_text("utf-8") == before


def test_an_unknown_argument_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert catalogue.main(["--chekc"]) == 2
    assert "usage" in capsys.readouterr().err

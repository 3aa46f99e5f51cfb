"""The example files agree with one another and with the story that they tell."""

from __future__ import annotations

import csv
import re
import tomllib
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from chassis.house import House, read_house
from services.lists import Lists

EXAMPLES = Path(__file__).parents[2] / "examples"
MERGE_FIELDS = set(
    "contact_name contact_role contact_role_in_text body_name areas registered profession_plural ask "
    "evidence_date evidence_source fund response_url signatory_name signatory_position house_name "
    "house_short_name house_telephone house_email".split()
)
Line = dict[str, str]


@pytest.fixture(scope="module")
def house() -> House:
    return read_house(EXAMPLES / "house.toml", lists=Lists)


@pytest.fixture(scope="module")
def campaign() -> dict[str, Any]:
    return tomllib.loads((EXAMPLES / "campaign.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def partners() -> list[Line]:
    return _lines("partners.csv")


@pytest.fixture(scope="module")
def registrations() -> list[Line]:
    return _lines("registrations.csv")


@pytest.fixture(scope="module")
def register() -> list[list[str]]:
    with (EXAMPLES / "trusts_2012_ods.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def _lines(name: str) -> list[Line]:
    with (EXAMPLES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def _trusts(partners: list[Line]) -> dict[str, list[Line]]:
    trusts: dict[str, list[Line]] = {}
    for line in partners:
        if "primary_care_trust" in line["kinds"].split(";"):
            trusts.setdefault(line["identifier"], []).append(line)
    return trusts


def _ask(rule: dict[str, int], registered: int) -> int:
    asked = rule["least_pence"] + rule["each_pence"] * registered
    return min(asked - asked % rule["step_pence"], rule["most_pence"])


def _postcode(text: str) -> bool:
    return re.fullmatch(r"[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][ABD-HJLNP-UW-Z]{2}", text) is not None


# The house


def test_the_house_has_every_authority_of_london_once(house: House) -> None:
    assert list(house.lists["areas"]) == [f"E09{number:06d}" for number in range(1, 34)]
    assert house.lists["areas"]["E09000001"].name == "City of London"
    assert house.lists["areas"]["E09000020"].name == "Kensington and Chelsea"
    assert house.lists["areas"]["E09000033"].name == "Westminster"


def test_no_two_areas_share_a_square_of_the_map(house: House) -> None:
    squares = [(area.attributes["column"], area.attributes["row"]) for area in house.lists["areas"].values()]
    assert len(set(squares)) == 33
    assert {column for column, _ in squares} == set(range(1, 9))
    assert {row for _, row in squares} == set(range(1, 7))


def test_every_profession_has_a_plural_and_every_stage_knows_its_professions(house: House) -> None:
    professions = house.lists["professions"]
    assert all(isinstance(entry.attributes["plural"], str) for entry in professions.values())
    for stage in house.lists["exam_stages"].values():
        named = stage.attributes["professions"]
        assert isinstance(named, list)
        assert set(named) <= set(professions)


def test_the_house_is_finished(house: House) -> None:
    assert house.unfinished == ()


# Organisations and the people at them


def test_there_are_over_a_hundred_organisations_and_two_hundred_contacts(partners: list[Line]) -> None:
    assert len({line["identifier"] for line in partners}) == 135
    assert sum(bool(line["contact_name"]) for line in partners) == 247


def test_an_organisation_is_described_the_same_on_each_of_its_lines(partners: list[Line]) -> None:
    described: dict[str, tuple[str, ...]] = {}
    for line in partners:
        organisation = tuple(value for column, value in line.items() if not column.startswith("contact_"))
        assert described.setdefault(line["identifier"], organisation) == organisation
    assert len({organisation[1] for organisation in described.values()}) == len(described)


def test_each_authority_has_one_trust_and_each_trust_one_authority(
    house: House, partners: list[Line]
) -> None:
    areas = [lines[0]["areas"] for lines in _trusts(partners).values()]
    assert sorted(areas) == list(house.lists["areas"])


def test_each_trust_has_the_three_people_we_write_to(partners: list[Line], campaign: dict[str, Any]) -> None:
    for lines in _trusts(partners).values():
        assert [line["contact_role"] for line in lines] == campaign["recipients"]["roles"]
        assert len({line["contact_name"] for line in lines}) == 3
        assert all(line["contact_channel"] == "email" and line["contact_email"] for line in lines)
        assert not any(line["closed_on"] or line["contact_withdrawn_on"] for line in lines)


def test_only_the_two_trusts_of_the_doctors_project_work_with_us(partners: list[Line]) -> None:
    working = {key for key, lines in _trusts(partners).items() if lines[0]["closeness"] == "working"}
    assert working == {"GB-NHS-5LA", "GB-NHS-5LC"}


def test_every_code_of_the_partners_stands_in_the_house(house: House, partners: list[Line]) -> None:
    for line in partners:
        assert set(line["kinds"].split(";")) <= set(house.lists["kinds"]), line
        assert set(filter(None, line["areas"].split(";"))) <= set(house.lists["areas"]), line
        assert line["closeness"] in house.lists["closeness"], line
        assert line["contact_role"] in {"", *house.lists["contact_roles"]}, line
        assert line["contact_channel"] in {"", *house.lists["channels"]}, line


def test_every_contact_can_be_written_to_and_says_where_we_got_the_address(partners: list[Line]) -> None:
    for line in partners:
        if not line["contact_name"]:
            assert not any(value for column, value in line.items() if column.startswith("contact_")), line
            continue
        assert line["contact_source"], line
        assert date(2000, 1, 1) <= date.fromisoformat(line["contact_listed_on"]) <= date(2011, 12, 31), line
        assert _postcode(line["contact_postcode"]), line
        assert len(line["contact_address"].split(";")) >= 2, line
        assert bool(line["contact_email"]) == (line["contact_channel"] == "email"), line


def test_no_address_leads_to_a_real_mailbox(house: House, partners: list[Line]) -> None:
    addresses = [line["contact_email"] for line in partners if line["contact_email"]]
    assert len(set(addresses)) == len(addresses)
    for address in [*addresses, house.email]:
        assert re.fullmatch(r"[a-z.]+@[a-z0-9-]{1,63}\.example", address), address
    assert house.website.endswith(".example")


def test_surgeries_are_written_to_by_post_only(partners: list[Line]) -> None:
    surgeries = [line for line in partners if line["kinds"] == "gp_practice" and line["contact_name"]]
    assert len(surgeries) == 3
    assert {line["contact_channel"] for line in surgeries} == {"post"}


def test_a_closed_body_names_a_successor_that_is_in_the_file(partners: list[Line]) -> None:
    closed = {line["identifier"]: line["successor"] for line in partners if line["closed_on"]}
    assert closed == {"CONDUIT-LSC": "CONDUIT-SFA", "CONDUIT-KCWHA": "GB-NHS-5LA"}
    assert set(closed.values()) <= {line["identifier"] for line in partners}


def test_no_cell_begins_like_a_formula(partners: list[Line]) -> None:
    assert not [
        value for line in partners for value in line.values() if value.startswith(("=", "+", "-", "@"))
    ]


# What they offer


def test_every_service_is_of_a_body_in_the_file_and_speaks_in_codes_of_the_house(
    house: House, partners: list[Line]
) -> None:
    services = _lines("services.csv")
    assert len(services) == 13
    assert len({(line["identifier"], line["name"]) for line in services}) == 13
    assert {line["identifier"] for line in services} <= {line["identifier"] for line in partners}
    for line in services:
        for name in ("needs", "areas", "languages"):
            assert set(line[name].split(";")) <= set(house.lists[name]), line
    assert {need for line in services for need in line["needs"].split(";")} == set(house.lists["needs"])


def test_no_service_can_be_rung_or_written_to() -> None:
    for line in _lines("services.csv"):
        assert re.fullmatch(r"(020 7946 0\d{3})?", line["telephone"]), line
        assert re.fullmatch(r"([a-z]+@[a-z0-9-]+\.example)?", line["email"]), line
        assert re.fullmatch(r"(https://[a-z0-9-]+\.example(/[a-z-]+)?)?", line["website"]), line


# Registrations


def test_3500_dentists_are_spread_over_33_areas(house: House, registrations: list[Line]) -> None:
    counts = Counter(line["area"] for line in registrations)
    assert len(registrations) == 3_500
    assert set(counts) == set(house.lists["areas"])
    assert counts["E09000001"] == 3
    assert 230 <= max(counts.values()) <= 260
    assert sum(20 <= count <= 40 for count in counts.values()) >= 3


def test_every_registration_is_of_its_own_and_in_order(registrations: list[Line]) -> None:
    assert [line["reference"] for line in registrations] == [f"SG-{number:05d}" for number in range(1, 3_501)]
    days = [line["registered_on"] for line in registrations]
    assert days == sorted(days)
    assert (
        date(2007, 1, 1) <= date.fromisoformat(days[0]) < date.fromisoformat(days[-1]) <= date(2011, 12, 31)
    )


def test_every_code_of_the_registrations_stands_in_the_house(house: House, registrations: list[Line]) -> None:
    assert {line["profession"] for line in registrations} == {"dentist"}
    assert {line["exam_stage"] for line in registrations} == {"waiting", "ielts", "ore_1", "ore_2"}
    assert {line["exam_stage"] for line in registrations} <= set(house.lists["exam_stages"])
    assert {line["lawful_basis"] for line in registrations} == {"consent", "legitimate_interests"}
    assert {line["lawful_basis"] for line in registrations} <= set(house.lists["lawful_bases"])
    countries = {line["country"] for line in registrations}
    assert len(countries) > 90
    assert all(re.fullmatch(r"[A-Z]{2}", country) for country in countries)


# The campaign


def test_every_ask_is_in_range_and_never_falls_as_the_count_rises(
    campaign: dict[str, Any], registrations: list[Line]
) -> None:
    counts = sorted(Counter(line["area"] for line in registrations).values())
    asks = [_ask(campaign["ask"], count) for count in counts]
    assert all(300_000 <= ask <= 500_000 and ask % 10_000 == 0 for ask in asks)
    assert asks == sorted(asks)
    assert (asks[0], asks[-1]) == (300_000, 500_000)


def test_the_campaign_speaks_in_codes_of_the_house(house: House, campaign: dict[str, Any]) -> None:
    assert campaign["signatory"] in house.signatories
    assert campaign["profession"] in house.lists["professions"]
    assert campaign["recipients"]["kind"] in house.lists["kinds"]
    assert set(campaign["recipients"]["roles"]) <= set(house.lists["contact_roles"])


def test_the_letter_uses_known_fields_and_stays_on_one_page(campaign: dict[str, Any]) -> None:
    used = set(re.findall(r"\{([^}]*)\}", campaign["subject"] + campaign["body"]))
    assert used <= MERGE_FIELDS
    assert {"registered", "areas", "ask", "response_url", "evidence_source", "evidence_date"} <= used
    assert len(campaign["body"].split()) <= 330
    assert "Yours sincerely" not in campaign["body"]
    assert "\n" not in campaign["subject"]


# The NHS register's form


def test_the_register_has_31_rows_of_27_columns(register: list[list[str]]) -> None:
    assert [len(row) for row in register] == [27] * 31
    assert len({row[0] for row in register}) == 31
    for row in register:
        assert row == [cell.upper() for cell in row]
        assert (row[11], row[12]) == ("", "A")
        assert date.fromisoformat(row[10]).year in (2001, 2002, 2003)
        assert _postcode(row[9])
        assert re.fullmatch(r"020 7946 0\d{3}", row[17])


def test_every_cell_of_the_register_is_quoted() -> None:
    lines = (EXAMPLES / "trusts_2012_ods.csv").read_text("utf-8").splitlines()
    assert all(re.fullmatch(r'"[^"]*"(,"[^"]*"){26}', line) for line in lines)


def test_the_register_s_31_bodies_serve_the_33_areas(house: House, register: list[list[str]]) -> None:
    served: dict[str, list[str]] = {}
    for area in house.lists["areas"].values():
        bodies = area.attributes["served_by"]
        assert isinstance(bodies, list)
        for body in bodies:
            served.setdefault(body, []).append(area.name)
    assert {f"GB-NHS-{row[0]}" for row in register} == set(served)
    twice = {row[1]: served[f"GB-NHS-{row[0]}"] for row in register if len(served[f"GB-NHS-{row[0]}"]) > 1}
    assert twice == {
        "CITY AND HACKNEY TEACHING PCT": ["City of London", "Hackney"],
        "SUTTON AND MERTON PCT": ["Merton", "Sutton"],
    }


def test_the_register_and_the_partners_share_29_trusts(
    partners: list[Line], register: list[list[str]]
) -> None:
    assert len({f"GB-NHS-{row[0]}" for row in register} & set(_trusts(partners))) == 29


# Funds


def test_the_funds_fit_the_house_the_partners_and_the_campaign(
    house: House, partners: list[Line], campaign: dict[str, Any]
) -> None:
    funds = tomllib.loads((EXAMPLES / "funds.toml").read_text("utf-8"))["funds"]
    names = {line["name"] for line in partners}
    for fund in funds:
        assert set(fund["funders"]) | {each["body"] for each in fund.get("received", [])} <= names
        assert set(fund["restrictions"]) <= set(house.lists["restrictions"])
        for plan in fund.get("rounds", []):
            assert set(plan["purposes"]) <= set(house.lists["purposes"])
            assert set(plan["professions"]) <= set(house.lists["professions"])
    assert [sum(each["amount_pence"] for each in fund.get("received", [])) for fund in funds] == [500_000, 0]
    assert campaign["fund"].casefold() == funds[1]["name"].casefold(), "pledges find it by its name"


def test_the_applications_fit_the_round_and_ask_for_more_than_there_is(house: House) -> None:
    told = tomllib.loads((EXAMPLES / "applications.toml").read_text("utf-8"))["applications"]
    [plan] = tomllib.loads((EXAMPLES / "funds.toml").read_text("utf-8"))["funds"][0]["rounds"]
    sent = [each for each in told if each.get("sent", True)]
    assert all(each["purpose"] in plan["purposes"] for each in told)
    assert all(0 < each["amount_pence"] <= plan["most_pence"] for each in told)
    assert sum(each["amount_pence"] for each in sent) > 500_000
    assert len(sent) == 21
    assert [each["profession"] for each in sent if each["profession"] not in plan["professions"]] == ["nurse"]
    assert len({each["email"] for each in sent}) == len(sent) - 1, "one was sent twice"
    assert sum(each.get("exam_after", 999) <= plan["meets_after"] for each in sent) == 1
    assert sum(each["papers"] == 0 for each in sent) == 2


def test_every_purpose_and_restriction_knows_its_professions(house: House) -> None:
    professions, purposes = house.lists["professions"], house.lists["purposes"]
    for entry in (*purposes.values(), *house.lists["restrictions"].values()):
        assert set(entry.attributes["professions"]) <= set(professions)  # type: ignore[call-overload]
    assert all(type(entry.attributes["fee_pence"]) is int for entry in purposes.values())

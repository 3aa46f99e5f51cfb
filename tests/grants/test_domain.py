"""The rules of grants."""

from services.grants.domain import person_digest, price_of_not_integrating

KEY = b"k" * 32


def test_the_price_for_3500_people_is_the_one_in_the_report() -> None:
    price = price_of_not_integrating(3500)
    assert price.income_tax_pence == 4_900_000_000
    assert price.national_insurance_pence == 1_680_000_000
    assert price.formula == (
        "3,500 people × £14,000 income tax a year, and × £4,800 National Insurance a year, assuming that "
        "each would earn £60,000 a year and that all are out of work. "
        "Source: Operation Integration: The Making of New Citizens (February 2012)."
    )


def test_nobody_costs_nothing() -> None:
    price = price_of_not_integrating(0)
    assert (price.income_tax_pence, price.national_insurance_pence) == (0, 0)


def test_a_person_is_recognised_however_the_reference_is_typed() -> None:
    digests = {person_digest(KEY, spelt) for spelt in ("SG-00001", "sg-00001", " SG-00 001", "ＳＧ-00001")}
    assert len(digests) == 1
    assert person_digest(KEY, "SG-00002") not in digests


def test_without_the_key_a_reference_cannot_be_guessed() -> None:
    assert person_digest(KEY, "SG-00001") != person_digest(b"x" * 32, "SG-00001")
    assert len(person_digest(KEY, "SG-00001")) == 32

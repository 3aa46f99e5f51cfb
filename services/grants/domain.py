"""The rules of grants. Pure: knows neither the database nor the time."""

import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass, replace
from uuid import uuid4

from chassis.errors import Conflict

#: Of references and labels: no vowels, so that they are no words, and no signs mistaken for another.
_SIGNS = "23456789BCDFGHJKMNPQRTVWXY"

#: Dentists in the Forum's study group at the end of 2011.
REGISTERED_2011 = 3_500
SALARY_PENCE = 6_000_000
INCOME_TAX_EACH_PENCE = 1_400_000
NATIONAL_INSURANCE_EACH_PENCE = 480_000
SOURCE = "Operation Integration: The Making of New Citizens (February 2012)"


class GrantsError(Exception):
    """Something that grants does not allow."""

    def __str__(self) -> str:
        return super().__str__() or (self.__doc__ or "").split("\n")[0]


class ImportRunning(GrantsError):
    """Another import of registrations is running. Wait until it has ended, then import again."""


class Overtaken(Conflict):
    """It was done before, or something else was, since the page was made: that page says by whom."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """What the country goes without in a year while qualified people are kept out of work."""

    #: How many people are out of work.
    count: int
    #: What each would earn in a year.
    salary_pence: int = SALARY_PENCE
    income_tax_each_pence: int = INCOME_TAX_EACH_PENCE
    national_insurance_each_pence: int = NATIONAL_INSURANCE_EACH_PENCE
    source: str = SOURCE

    @property
    def income_tax_pence(self) -> int:
        return self.count * self.income_tax_each_pence

    @property
    def national_insurance_pence(self) -> int:
        return self.count * self.national_insurance_each_pence

    @property
    def formula(self) -> str:
        """The formula and what it assumes, in words."""
        return (
            f"{self.count:,} people × £{self.income_tax_each_pence // 100:,} income tax a year, and "
            f"× £{self.national_insurance_each_pence // 100:,} National Insurance a year, "
            f"assuming that each would earn £{self.salary_pence // 100:,} a year "
            f"and that all are out of work. Source: {self.source}."
        )

    def if_some_worked(self, percent: int) -> "Price":
        """What would come in if so many of a hundred of them found work; people are whole."""
        return replace(self, count=self.count * percent // 100)


def price_of_not_integrating(count: int = REGISTERED_2011) -> Price:
    """What it costs in a year that so many qualified people are not in work.

    Source: the Forum's report of February 2012, which counts 3,500 dentists.
    """
    return Price(count=count)


def signs(many: int) -> str:
    """Random signs that can be read out on the telephone."""
    number, found = uuid4().int, ""
    for _ in range(many):
        number, sign = divmod(number, len(_SIGNS))
        found += _SIGNS[sign]
    return found


def folded(name: str) -> str:
    """A name as it is compared: letters small, spaces single, signs that look the same made the same."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def person_digest(key: bytes, reference: str) -> bytes:
    """Recognises a person by their reference without keeping it.

    Case and spaces make no difference. Without the key nobody can guess a reference from its digest.
    """
    plain = re.sub(r"\s", "", unicodedata.normalize("NFKC", reference)).casefold()
    return hmac.new(key, plain.encode(), hashlib.sha256).digest()

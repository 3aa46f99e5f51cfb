"""What others keep copies of, as it is here: so that the two can be compared."""

from collections.abc import Mapping

from chassis.copies import ReadPage
from services.partners.queries import COPIES

OWNED: Mapping[str, ReadPage] = {
    "organisations": COPIES.organisations_owned,
    "contacts": COPIES.contacts_owned,
    "people": COPIES.people_owned,
    "colleagues": COPIES.colleagues_owned,
    "tokens": COPIES.tokens_owned,
}

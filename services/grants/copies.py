"""What others keep of grants, and what grants keeps of others: so that the two can be compared."""

from collections.abc import Mapping

from chassis.copies import Kept, ReadPage
from services.grants.colleagues import copied
from services.grants.queries import COPIES

OWNED: Mapping[str, ReadPage] = {"registration_counts": COPIES.counts_owned}

COPIED: Mapping[str, Kept] = {
    "organisations": Kept(read=COPIES.organisations_copied, drop=COPIES.drop_organisations),
    "colleagues": Kept(read=copied, drop=COPIES.drop_colleagues),
}

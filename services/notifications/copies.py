"""What is kept here of others, row by row: so that it can be compared with what its owners have."""

from collections.abc import Mapping

from chassis.copies import Kept
from services.notifications.queries import COPIES

COPIED: Mapping[str, Kept] = {
    "organisations": Kept(read=COPIES.organisations_copied, drop=COPIES.drop_organisations),
    "contacts": Kept(read=COPIES.contacts_copied, drop=COPIES.drop_contacts),
    "colleagues": Kept(read=COPIES.colleagues_copied, drop=COPIES.drop_colleagues),
    "registration_counts": Kept(read=COPIES.counts_copied, drop=COPIES.drop_counts),
}

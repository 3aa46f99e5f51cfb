"""What the second press of a button in Letters says was done before it."""

from collections.abc import Mapping

from chassis.web import Press
from services.notifications.colleagues import called
from services.notifications.web.acts import ACTS

#: Beside what is done with a campaign: by what the audit calls each.
_OTHERS: Mapping[str, str] = {
    "campaign_discarded": "It was thrown away",
    "chasing_approved": "How it chases was approved",
    "chasing_sent_back": "How it chases was sent back",
    "letter_sent_again": "It was put back, to be sent again",
    "letter_marked_sent": "It was marked as sent",
    "letter_returned": "It was marked as come back",
    "pledge_confirmed": "It was confirmed",
    "pledge_replaced": "It was replaced by another pledge",
    "chased": "Chasers were ordered",
    "chasers_called_back": "The chasers were called back",
    "chaser_sent_again": "It was put back, to be sent again",
    "chaser_marked_sent": "It was marked as sent",
    "chaser_returned": "It was marked as come back",
    "letter_to_other": "A letter to somebody else there was ordered",
    "handed_to_post": "The letter was handed to whoever posts it",
    "stop_lifted": "It was lifted",
    "suspicion_lifted": "That an address of theirs works was said",
    "answer_settled": "It was settled",
    "answer_corrected": "It was put right",
    "mail_matched": "It was matched with a letter",
    "mail_unmatched": "It was taken from its letter",
    "mail_set_aside": "It was set aside",
    "mail_settled": "It was settled",
    "post_confirmed": "It was entered as posted",
    "post_dropped": "It was dropped",
}
press = Press({**ACTS, **_OTHERS}, called)

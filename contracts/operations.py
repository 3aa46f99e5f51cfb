"""How a service is, as each says of itself in the same words; and what is asked of what it has put aside.

Numbers, codes, ids and moments: nothing of anybody, and nothing of what is in a message.
"""

from marshmallow import EXCLUDE, Schema, fields, validate

from contracts.envelope import Fact, WholeNumber

_CODE = validate.Length(min=1, max=100)
_COUNT = validate.Range(min=0, max=2**53)

#: Parked messages that a report names one by one, and settled requests that it speaks of.
MOST_PARKED, MOST_SETTLED = 50, 20


class _Part(Schema):
    class Meta:
        unknown = EXCLUDE


class ParkedMessage(_Part):
    """A message that could not be handled."""

    id = fields.UUID(required=True)
    type = fields.String(required=True, validate=_CODE)
    reason = fields.String(required=True, validate=_CODE)
    #: The kind of error, by its name in the code.
    failure = fields.String(required=True, validate=validate.Length(max=100))
    attempts = WholeNumber(required=True, validate=_COUNT)
    parked_at = fields.AwareDateTime(required=True)
    #: Nothing where it is left to a person.
    next_try = fields.AwareDateTime(required=True, allow_none=True)


class Counted(_Part):
    """How many there are of something, by its code: a reason, a queue, a figure."""

    name = fields.String(required=True, validate=_CODE)
    number = WholeNumber(required=True, validate=_COUNT)


class Timer(_Part):
    """Something that a service does by itself."""

    name = fields.String(required=True, validate=_CODE)
    #: Seconds since it last succeeded, in the process that says so; nothing where it has not yet.
    seconds = WholeNumber(required=True, allow_none=True, validate=_COUNT)
    #: Without success for too long.
    behind = fields.Boolean(required=True)


class Settled(_Part):
    """What became of a request about parked messages."""

    ask_id = fields.UUID(required=True)
    #: How many messages it was about; none when they were gone before.
    number = WholeNumber(required=True, validate=_COUNT)
    done_at = fields.AwareDateTime(required=True)


class ServiceReport(Fact):
    """How a service is. The subject is its name, the sequence counts its reports."""

    #: Version of the running code, and the revision of its database.
    build = fields.String(required=True, validate=_CODE)
    revision = fields.String(required=True, validate=_CODE)
    outbox_pending = WholeNumber(required=True, validate=_COUNT)
    #: For how many seconds the oldest unpublished event has waited.
    outbox_seconds = WholeNumber(required=True, validate=_COUNT)
    #: Why publishing last failed, where something waits.
    outbox_failure = fields.String(required=True, allow_none=True, validate=_CODE)
    #: How many messages are parked, by reason; and the oldest of them one by one.
    parked_by_reason = fields.List(fields.Nested(Counted), required=True)
    parked = fields.List(
        fields.Nested(ParkedMessage), required=True, validate=validate.Length(max=MOST_PARKED)
    )
    #: What the broker holds for the service, by queue.
    queues = fields.List(fields.Nested(Counted), required=True)
    #: ``none`` where events stay in one process.
    broker = fields.String(required=True, validate=validate.OneOf(["none", "connected", "away", "blocked"]))
    timers = fields.List(fields.Nested(Timer), required=True)
    #: Bytes, where the installation keeps its files.
    disk_free = WholeNumber(required=True, allow_none=True, validate=_COUNT)
    disk_size = WholeNumber(required=True, allow_none=True, validate=_COUNT)
    #: When the certificate ends that browsers are shown; nothing where none was seen.
    certificate_end = fields.AwareDateTime(required=True, allow_none=True)
    #: The last row of the record of what people have done; nothing while there is none.
    audit_rows = WholeNumber(required=True, validate=_COUNT)
    audit_digest = fields.String(required=True, allow_none=True, validate=validate.Length(equal=64))
    #: Seconds since the newest sign of life of whoever signs sessions; nothing where there was none.
    heard_seconds = WholeNumber(required=True, allow_none=True, validate=_COUNT)
    #: What the service counts of its own work that may need somebody.
    figures = fields.List(fields.Nested(Counted), required=True)
    settled = fields.List(fields.Nested(Settled), required=True, validate=validate.Length(max=MOST_SETTLED))


class ParkedAsk(Fact):
    """What somebody wants to be done with messages that a service has put aside: one, or all of a reason."""

    ask_id = fields.UUID(required=True)
    #: Whose messages they are. The others do nothing.
    service = fields.String(required=True, validate=_CODE)
    message_id = fields.UUID(required=True, allow_none=True)
    reason = fields.String(required=True, allow_none=True, validate=_CODE)
    #: The moment of the report that somebody looked at: what was parked later is left alone.
    until = fields.AwareDateTime(required=True)

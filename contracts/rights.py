"""What services tell each other when somebody wants to see, or to have forgotten, what is held on them.

One service is asked by people and asks the others; each of them answers with facts of its own. What says who
it is about, and everything that is held, travels sealed; what is readable are numbers of requests and counts.
"""

from marshmallow import Schema, fields, validate

from contracts.envelope import Fact, Sealed, WholeNumber
from contracts.topology import GRANTS, NOTIFICATIONS, PARTNERS

_WORDS = validate.Length(min=1, max=300)
_COUNT = validate.Range(min=0, max=10**9)


class Subject(Schema):
    """Whom a request is about, by everything that we know them by. Travels sealed."""

    #: Ids of a person who signs in, and of contacts.
    ids = fields.List(fields.UUID(), required=True)
    #: In small letters.
    emails = fields.List(fields.String(validate=validate.Length(max=254)), required=True)
    names = fields.List(fields.String(validate=validate.Length(max=200)), required=True)
    #: What they are registered under.
    references = fields.List(fields.String(validate=validate.Length(max=60)), required=True)


class Finding(Schema):
    """A file with something that is held on somebody, or a piece of one. Travels sealed."""

    #: Where it stands in the archive, such as ``letters/C1-004.json``. Names nobody.
    path = fields.String(required=True, validate=_WORDS)
    #: What it is, such as “Letter C1-004”. Names nobody.
    title = fields.String(required=True, validate=_WORDS)
    #: Which piece this is, counted from 1, and of how many.
    piece = WholeNumber(required=True, validate=validate.Range(min=1, max=10**6))
    pieces = WholeNumber(required=True, validate=validate.Range(min=1, max=10**6))
    #: Bytes, in base64.
    content = fields.String(required=True)


class RightsRequest(Fact):
    """A request of a person, with what each service may know them by."""

    OWNER = PARTNERS

    request_id = fields.UUID(required=True)
    for_grants = Sealed(to=GRANTS, part=Subject)
    for_notifications = Sealed(to=NOTIFICATIONS, part=Subject)


class Gathered(Fact):
    """One thing that a service holds on somebody; one fact for each, and one where there is nothing."""

    request_id = fields.UUID(required=True)
    #: Counted from 1; 0 where nothing is held.
    number = WholeNumber(required=True, validate=_COUNT)
    total = WholeNumber(required=True, validate=_COUNT)
    finding = Sealed(to=PARTNERS, part=Finding)


class Answered(Fact):
    """Whether a service has anything against forgetting somebody."""

    request_id = fields.UUID(required=True)
    #: Why not yet, and what has to happen first. Names nobody.
    objection = fields.String(required=True, allow_none=True, validate=_WORDS)


class ScrubbedCount(Schema):
    """How many things of one kind a service has rid of somebody."""

    what = fields.String(required=True, validate=_WORDS)
    count = WholeNumber(required=True, validate=_COUNT)


class Scrubbed(Fact):
    """A service has forgotten somebody."""

    request_id = fields.UUID(required=True)
    scrubbed = fields.List(fields.Nested(ScrubbedCount), required=True)
    #: What stays and why, in sentences that name nobody.
    kept = fields.List(fields.String(validate=_WORDS), required=True)

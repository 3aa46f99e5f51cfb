"""Agreements: what two bodies agreed on, in which version, who signed, what comes of it."""

from chassis.migrations import run

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE agreements (
    id              uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisations,
    state           text NOT NULL CHECK (state IN ('draft', 'offered', 'signed', 'ended')),
    -- What is being drafted; once offered, the same as in the newest version. People stand in it by ids.
    terms           jsonb NOT NULL,
    -- Who of ours looks after it, and whom of theirs it was sent to last.
    kept_by         uuid REFERENCES people,
    contact_id      uuid REFERENCES contacts,
    -- The number of the version that both have signed last.
    in_force        integer,
    -- Counted from 1, one more with every change.
    revision        integer NOT NULL DEFAULT 1,
    begun_at        timestamptz NOT NULL,
    changed_at      timestamptz NOT NULL,
    ended_on        date,
    ended_why       text,
    CONSTRAINT agreements_end_with_a_day CHECK ((state = 'ended') = (ended_on IS NOT NULL)),
    CONSTRAINT agreements_signed_in_a_version CHECK (state <> 'signed' OR in_force IS NOT NULL)
);
CREATE INDEX agreements_of_organisation ON agreements (organisation_id);
CREATE INDEX agreements_offered ON agreements (id) WHERE state = 'offered';
CREATE INDEX agreements_contact ON agreements (contact_id);

-- What was offered, as it was offered. Only its state and what came back for it ever change.
CREATE TABLE agreement_versions (
    agreement_id uuid NOT NULL REFERENCES agreements,
    number       integer NOT NULL CHECK (number > 0),
    state        text NOT NULL CHECK (state IN ('offered', 'signed', 'replaced', 'withdrawn')),
    content      jsonb NOT NULL,
    -- SHA-256 of the content.
    digest       bytea NOT NULL,
    -- SHA-256 of the secret in the link by which the other side signs.
    link         bytea NOT NULL UNIQUE,
    offered_at   timestamptz NOT NULL,
    signed_at    timestamptz,
    -- A copy on paper that both have signed.
    copy_id      uuid REFERENCES files,
    PRIMARY KEY (agreement_id, number)
);
CREATE UNIQUE INDEX agreement_versions_offered ON agreement_versions (agreement_id) WHERE state = 'offered';

CREATE TABLE agreement_signatures (
    agreement_id uuid NOT NULL,
    number       integer NOT NULL,
    side         text NOT NULL CHECK (side IN ('ours', 'theirs')),
    way          text NOT NULL CHECK (way IN ('signed_in', 'link', 'paper')),
    name         text NOT NULL,
    position     text NOT NULL,
    signed_at    timestamptz NOT NULL,
    -- Who of ours it was; or whose link it came by, who may have let somebody else sign.
    person_id    uuid REFERENCES people,
    contact_id   uuid REFERENCES contacts,
    PRIMARY KEY (agreement_id, number, side),
    FOREIGN KEY (agreement_id, number) REFERENCES agreement_versions
);
CREATE INDEX agreement_signatures_name ON agreement_signatures (lower(name));

-- The days on which both look at a signed agreement together.
CREATE TABLE agreement_reviews (
    agreement_id uuid NOT NULL REFERENCES agreements,
    review_on    date NOT NULL,
    told_at      timestamptz,
    reviewed_on  date,
    note         text NOT NULL DEFAULT '',
    PRIMARY KEY (agreement_id, review_on)
);
CREATE INDEX agreement_reviews_open ON agreement_reviews (review_on) WHERE reviewed_on IS NULL;

-- The outcomes of signed agreements. Each has exactly one owner.
CREATE TABLE agreement_outcomes (
    id           uuid PRIMARY KEY,
    agreement_id uuid NOT NULL REFERENCES agreements,
    what         text NOT NULL,
    measure      text NOT NULL,
    due_on       date NOT NULL,
    person_id    uuid REFERENCES people,
    contact_id   uuid REFERENCES contacts,
    state        text NOT NULL CHECK (state IN ('open', 'met', 'dropped')),
    closed_on    date,
    note         text NOT NULL DEFAULT '',
    changed_at   timestamptz NOT NULL,
    CONSTRAINT outcomes_have_one_owner CHECK (num_nonnulls(person_id, contact_id) = 1),
    CONSTRAINT outcomes_close_on_a_day CHECK ((state = 'open') = (closed_on IS NULL))
);
CREATE INDEX agreement_outcomes_of ON agreement_outcomes (agreement_id);
CREATE INDEX agreement_outcomes_due ON agreement_outcomes (due_on, id);
CREATE INDEX agreement_outcomes_person ON agreement_outcomes (person_id);
CREATE INDEX agreement_outcomes_contact ON agreement_outcomes (contact_id);

-- Each outcome with the body that it was agreed on with, its owner, and since when that owner has been gone:
-- they may not sign in, are not written to, or are at another body than the agreement is with by now.
CREATE VIEW owned_outcomes AS
SELECT u.*, a.organisation_id, o.name AS organisation, a.terms ->> 'title' AS title,
       coalesce(u.person_id, u.contact_id) AS owner_id, coalesce(p.name, c.name) AS owner,
       CASE WHEN u.person_id IS NULL THEN 'theirs' ELSE 'ours' END AS side,
       CASE WHEN u.person_id IS NOT NULL THEN p.barred_at::date
            WHEN c.organisation_id <> a.organisation_id THEN a.changed_at::date
            ELSE c.withdrawn_on END AS gone_on
FROM agreement_outcomes AS u JOIN agreements AS a ON a.id = u.agreement_id
JOIN organisations AS o ON o.id = a.organisation_id
LEFT JOIN people AS p ON p.id = u.person_id LEFT JOIN contacts AS c ON c.id = u.contact_id;
"""


def upgrade() -> None:
    """Make the tables."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""

"""An outcome's owner is gone from the day it was in London, also in summer's first hour of the day."""

from chassis.migrations import run

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE OR REPLACE VIEW owned_outcomes AS
SELECT u.*, a.organisation_id, o.name AS organisation, a.terms ->> 'title' AS title,
       coalesce(u.person_id, u.contact_id) AS owner_id, coalesce(p.name, c.name) AS owner,
       CASE WHEN u.person_id IS NULL THEN 'theirs' ELSE 'ours' END AS side,
       CASE WHEN u.person_id IS NOT NULL THEN (p.barred_at AT TIME ZONE 'Europe/London')::date
            WHEN c.organisation_id <> a.organisation_id THEN (a.changed_at AT TIME ZONE 'Europe/London')::date
            ELSE c.withdrawn_on END AS gone_on
FROM agreement_outcomes AS u JOIN agreements AS a ON a.id = u.agreement_id
JOIN organisations AS o ON o.id = a.organisation_id
LEFT JOIN people AS p ON p.id = u.person_id LEFT JOIN contacts AS c ON c.id = u.contact_id;
"""


def upgrade() -> None:
    """Make the view anew."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")

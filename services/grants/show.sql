-- name: published_grants
-- What everybody may read of awards: accepted, not given up or sent back in full, of a round whose decisions are
-- published and of which at least so many can be shown. Of the application its exam, and nothing of who applied.
WITH given AS (
    SELECT rounds.id AS round_id, rounds.name AS round, funds.name AS fund, awards.published_as, awards.amount_pence,
           awards.offered_at, applications.purpose, count(*) OVER (PARTITION BY rounds.id) AS of_round
    FROM awards
    JOIN applications ON applications.id = awards.application_id
    JOIN rounds ON rounds.id = applications.round_id
    JOIN funds ON funds.id = awards.fund_id
    JOIN commitments ON commitments.award_id = awards.application_id
    WHERE rounds.state = 'published' AND awards.accepted_at IS NOT NULL
        AND applications.state IN ('accepted', 'paid', 'reported')
        AND commitments.committed_pence - commitments.released_pence - commitments.returned_pence > 0
)
SELECT round_id, round, fund, published_as, amount_pence, offered_at, purpose FROM given
WHERE of_round >= :least ORDER BY published_as;

-- name: published_last$
-- When anything last happened to an award of a round whose decisions are published.
SELECT max(greatest(awards.offered_at, awards.accepted_at, entered.recorded_at))
FROM awards
JOIN applications ON applications.id = awards.application_id
JOIN rounds ON rounds.id = applications.round_id
LEFT JOIN LATERAL (
    SELECT max(ledger.recorded_at) AS recorded_at FROM ledger WHERE ledger.award_id = awards.application_id
) AS entered ON true
WHERE rounds.state = 'published';

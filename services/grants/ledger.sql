-- name: open_ledger!
-- Begin the ledger of a new fund.
INSERT INTO fund_balances (fund_id) VALUES (:fund_id);

-- name: lock_balance^
-- The balance of a fund, which is nobody else's to change until this transaction has ended.
SELECT fund_id, entries, received_pence, refunded_pence, committed_pence, paid_pence, returned_pence
FROM fund_balances WHERE fund_id = :fund_id FOR UPDATE;

-- name: closed_on$
-- When a fund was closed; asked after its balance was locked, which closing it does as well.
SELECT closed_on FROM funds WHERE id = :fund_id;

-- name: balance_of^
-- The balance of a fund.
SELECT fund_id, entries, received_pence, refunded_pence, committed_pence, paid_pence, returned_pence
FROM fund_balances WHERE fund_id = :fund_id;

-- name: balance_of_all^
-- What all funds have together.
SELECT coalesce(sum(received_pence), 0)::bigint AS received_pence,
       coalesce(sum(refunded_pence), 0)::bigint AS refunded_pence,
       coalesce(sum(committed_pence), 0)::bigint AS committed_pence,
       coalesce(sum(paid_pence), 0)::bigint AS paid_pence,
       coalesce(sum(returned_pence), 0)::bigint AS returned_pence,
       coalesce(sum(entries), 0)::bigint AS entries
FROM fund_balances;

-- name: entry_by_cause^
-- The entry that something has made already.
SELECT fund_id, amount_pence, award_id, contribution_id FROM ledger WHERE cause_id = :cause_id AND kind = :kind;

-- name: enter!
-- Add an entry at the end of a ledger.
INSERT INTO ledger (
    fund_id, number, kind, amount_pence, cause_id, award_id, contribution_id, happened_on, recorded_at, person_id,
    held_pence, free_pence
) VALUES (
    :fund_id, :number, :kind, :amount_pence, :cause_id, :award_id, :contribution_id, :happened_on, :now, :person_id,
    :held_pence, :free_pence
);

-- name: settle_balance!
-- Write down the balance after an entry.
UPDATE fund_balances SET
    entries = :entries, received_pence = :received_pence, refunded_pence = :refunded_pence,
    committed_pence = :committed_pence, paid_pence = :paid_pence, returned_pence = :returned_pence
WHERE fund_id = :fund_id;

-- name: commitment_of^
-- What was committed for an award, and what became of it.
SELECT award_id, fund_id, committed_pence, released_pence, paid_pence, returned_pence
FROM commitments WHERE award_id = :award_id;

-- name: settle_commitment!
-- Add to what was committed for an award, or to what became of it.
INSERT INTO commitments AS known (
    award_id, fund_id, committed_pence, released_pence, paid_pence, returned_pence
) VALUES (:award_id, :fund_id, :committed_pence, :released_pence, :paid_pence, :returned_pence)
ON CONFLICT (award_id) DO UPDATE SET
    committed_pence = excluded.committed_pence, released_pence = excluded.released_pence,
    paid_pence = excluded.paid_pence, returned_pence = excluded.returned_pence;

-- name: open_commitments$
-- How many awards of a fund wait to be paid.
SELECT count(*) FROM commitments
WHERE fund_id = :fund_id AND released_pence + paid_pence < committed_pence;

-- name: entries_before
-- Entries of a ledger, newest first, each with whoever the money came from, and whether an award is offered: before a
-- round is published it is only decided.
SELECT number, kind, ledger.amount_pence, cause_id, award_id, contribution_id, happened_on, recorded_at, person_id,
       held_pence, free_pence, bodies.name AS body_name, reference, awards.application_id IS NOT NULL AS offered
FROM ledger
LEFT JOIN contributions ON contributions.id = ledger.contribution_id
LEFT JOIN bodies ON bodies.id = contributions.organisation_id
LEFT JOIN applications ON applications.id = award_id
LEFT JOIN awards ON awards.application_id = award_id
WHERE ledger.fund_id = :fund_id AND number < :before
ORDER BY number DESC LIMIT :most;

-- name: entries_after
-- Entries of a ledger, oldest first, each with whoever the money came from.
SELECT number, kind, ledger.amount_pence, cause_id, award_id, contribution_id, happened_on, recorded_at, person_id,
       held_pence, free_pence, bodies.name AS body_name, reference
FROM ledger
LEFT JOIN contributions ON contributions.id = ledger.contribution_id
LEFT JOIN bodies ON bodies.id = contributions.organisation_id
LEFT JOIN applications ON applications.id = award_id
WHERE ledger.fund_id = :fund_id AND number > :after
ORDER BY number LIMIT :most;

-- name: differing
-- The funds whose entries do not come to what their balance, their awards or an entry itself says.
WITH signed AS (
    SELECT fund_id, number, held_pence, free_pence, amount_pence, kind,
        sum(CASE kind WHEN 'received' THEN amount_pence WHEN 'returned' THEN amount_pence
                      WHEN 'refunded' THEN -amount_pence WHEN 'paid' THEN -amount_pence ELSE 0 END)
            OVER so_far AS held,
        sum(CASE kind WHEN 'received' THEN amount_pence WHEN 'returned' THEN amount_pence
                      WHEN 'released' THEN amount_pence
                      WHEN 'refunded' THEN -amount_pence WHEN 'committed' THEN -amount_pence ELSE 0 END)
            OVER so_far AS free
    FROM ledger WINDOW so_far AS (PARTITION BY fund_id ORDER BY number)
), counted AS (
    SELECT fund_id, count(*) AS entries, max(number) AS last,
        bool_and(held = held_pence AND free = free_pence) AS each_is_right,
        coalesce(sum(amount_pence) FILTER (WHERE kind = 'received'), 0) AS received,
        coalesce(sum(amount_pence) FILTER (WHERE kind = 'refunded'), 0) AS refunded,
        coalesce(sum(amount_pence) FILTER (WHERE kind = 'committed'), 0) AS committed,
        coalesce(sum(amount_pence) FILTER (WHERE kind = 'released'), 0) AS released,
        coalesce(sum(amount_pence) FILTER (WHERE kind = 'paid'), 0) AS paid,
        coalesce(sum(amount_pence) FILTER (WHERE kind = 'returned'), 0) AS returned
    FROM signed GROUP BY fund_id
), awarded AS (
    SELECT fund_id, sum(committed_pence) AS committed, sum(released_pence) AS released,
        sum(paid_pence) AS paid, sum(returned_pence) AS returned
    FROM commitments GROUP BY fund_id
), came AS (
    SELECT fund_id, sum(amount_pence) AS received, sum(refunded_pence) AS refunded
    FROM contributions GROUP BY fund_id
)
SELECT funds.id FROM funds
LEFT JOIN fund_balances AS balance ON balance.fund_id = funds.id
LEFT JOIN counted ON counted.fund_id = funds.id
LEFT JOIN awarded ON awarded.fund_id = funds.id
LEFT JOIN came ON came.fund_id = funds.id
WHERE (
    balance.entries, balance.entries, balance.received_pence, balance.refunded_pence, balance.committed_pence,
    balance.paid_pence, balance.returned_pence
) IS DISTINCT FROM (
    coalesce(counted.entries, 0), coalesce(counted.last, 0), coalesce(counted.received, 0),
    coalesce(counted.refunded, 0), coalesce(counted.committed - counted.released - counted.paid, 0),
    coalesce(counted.paid, 0), coalesce(counted.returned, 0)
)
OR (
    coalesce(awarded.committed, 0), coalesce(awarded.released, 0), coalesce(awarded.paid, 0),
    coalesce(awarded.returned, 0), coalesce(came.received, 0), coalesce(came.refunded, 0)
) IS DISTINCT FROM (
    coalesce(counted.committed, 0), coalesce(counted.released, 0), coalesce(counted.paid, 0),
    coalesce(counted.returned, 0), coalesce(counted.received, 0), coalesce(counted.refunded, 0)
)
OR counted.each_is_right IS FALSE
ORDER BY funds.id;

-- name: promised_pence$
-- What was pledged and has neither come nor been written back.
SELECT coalesce(sum(amount_pence - received_pence - written_back_pence), 0)::bigint FROM pledges;

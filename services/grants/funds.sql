-- name: open_fund!
-- Enter a fund.
INSERT INTO funds (id, name, purpose, restriction, restrictions, funders, opened_on, changed_at)
VALUES (:id, :name, :purpose, :restriction, :restrictions, :funders, :opened_on, :now);

-- name: amend_fund!
-- Put right what a fund is.
UPDATE funds SET name = :name, purpose = :purpose, restriction = :restriction, restrictions = :restrictions,
    funders = :funders, opened_on = :opened_on, version = version + 1, changed_at = :now
WHERE id = :id;

-- name: close_fund!
-- Let a fund be closed from a day on, or open again.
UPDATE funds SET closed_on = :closed_on, version = version + 1, changed_at = :now WHERE id = :id;

-- name: lock_fund^
-- A fund that nobody else changes until this transaction has ended.
SELECT id, name, purpose, restriction, restrictions, funders, opened_on, closed_on, version FROM funds
WHERE id = :id FOR UPDATE;

-- name: fund_by_id^
-- A fund.
SELECT id, name, purpose, restriction, restrictions, funders, opened_on, closed_on, version FROM funds
WHERE id = :id;

-- name: funds_listed
-- Every fund with what it has and what is promised to it: open ones first, then by name.
SELECT id, name, purpose, restriction, restrictions, funders, opened_on, closed_on, version, entries, received_pence,
       refunded_pence, committed_pence, paid_pence, returned_pence, coalesce(promised.pence, 0)::bigint AS promised_pence
FROM funds JOIN fund_balances ON fund_id = id
LEFT JOIN (
    SELECT fund_id, sum(amount_pence - received_pence - written_back_pence) AS pence FROM pledges GROUP BY fund_id
) AS promised ON promised.fund_id = funds.id
ORDER BY closed_on IS NOT NULL, lower(name), id;

-- name: claim_name$
-- Let a name mean a fund, unless it means another one. The fund that it means now.
WITH claimed AS (
    INSERT INTO fund_names (name, fund_id) VALUES (:name, :fund_id) ON CONFLICT (name) DO NOTHING
    RETURNING fund_id
)
SELECT fund_id FROM claimed UNION ALL SELECT fund_id FROM fund_names WHERE name = :name LIMIT 1;

-- name: names_of_bodies
-- The names of these bodies.
SELECT id, shown_id, name FROM bodies WHERE id = ANY(:ids::uuid[]) ORDER BY lower(name), id;

-- name: bodies_called
-- The bodies of these names, small letters or large.
SELECT id, name FROM organisations
WHERE merged_into IS NULL AND lower(name) IN (SELECT lower(each) FROM unnest(:names::text[]) AS each) ORDER BY id;

-- name: bodies_offered
-- The names of bodies to choose from.
SELECT DISTINCT name, lower(name) AS folded FROM organisations WHERE merged_into IS NULL
ORDER BY folded LIMIT :most;

-- name: keep_terms!
-- Put the terms of a fund on file.
INSERT INTO fund_terms (id, fund_id, file_id, requires_status, kept_at)
VALUES (:id, :fund_id, :file_id, :requires_status, :now);

-- name: terms_of
-- The terms of a fund, newest first: those count.
SELECT fund_terms.id, fund_terms.fund_id, file_id, requires_status, kept_at, name, size
FROM fund_terms JOIN files ON files.id = file_id WHERE fund_terms.fund_id = :fund_id ORDER BY kept_at DESC, fund_terms.id DESC;

-- name: terms_file$
-- The file of some terms.
SELECT file_id FROM fund_terms WHERE id = :id;

-- name: record_pledge!
-- Enter a pledge once, with the fund that it names if there is one of that name.
INSERT INTO pledges (
    id, organisation_id, campaign_id, campaign, fund, fund_key, fund_id, amount_pence, pledged_on, heard_at
) VALUES (
    :id, :organisation_id, :campaign_id, :campaign, :fund, :fund_key,
    (SELECT fund_id FROM fund_names WHERE name = :fund_key), :amount_pence, :pledged_on, :now
) ON CONFLICT (id) DO NOTHING;

-- name: match_pledges$
-- Give a fund the pledges that wait under one of its names. How many.
WITH matched AS (
    UPDATE pledges SET fund_id = :fund_id WHERE fund_id IS NULL AND fund_key = :name RETURNING 1
)
SELECT count(*) FROM matched;

-- name: pledges
-- What was pledged, newest first, with the body's name as far as it has been heard of.
SELECT pledges.id, pledges.organisation_id, bodies.name AS body_name, campaign, fund, fund_id, amount_pence,
       received_pence, written_back_pence, pledged_on, heard_at
FROM pledges LEFT JOIN bodies ON bodies.id = pledges.organisation_id
ORDER BY pledged_on DESC, pledges.id DESC LIMIT :most;

-- name: pledged_pence$
-- Everything that was pledged, in pence, but what will not come any more.
SELECT coalesce(sum(amount_pence - written_back_pence), 0)::bigint FROM pledges;

-- name: pledges_of
-- What was pledged to a fund, newest first.
SELECT pledges.id, pledges.organisation_id, bodies.name AS body_name, campaign, fund, amount_pence,
       received_pence, written_back_pence, pledged_on
FROM pledges LEFT JOIN bodies ON bodies.id = pledges.organisation_id
WHERE fund_id = :fund_id ORDER BY pledged_on DESC, pledges.id DESC LIMIT :most;

-- name: promised_to^
-- What was ever pledged to a fund but for what was written back, and what of it has not come.
SELECT coalesce(sum(amount_pence - written_back_pence), 0)::bigint AS pledged_pence,
       coalesce(sum(amount_pence - written_back_pence - received_pence), 0)::bigint AS promised_pence
FROM pledges WHERE fund_id = :fund_id;

-- name: pledges_without_fund
-- What was pledged for a fund of a name that none has, oldest first.
SELECT pledges.id, pledges.organisation_id, bodies.name AS body_name, campaign, fund, amount_pence, pledged_on
FROM pledges LEFT JOIN bodies ON bodies.id = pledges.organisation_id
WHERE fund_id IS NULL AND written_back_pence < amount_pence ORDER BY pledged_on, pledges.id LIMIT :most;

-- name: pledge_by_id^
-- A pledge with the names of its body and its fund.
SELECT pledges.id, pledges.organisation_id, bodies.name AS body_name, campaign_id, campaign, fund, fund_id,
       funds.name AS fund_name, amount_pence, received_pence, written_back_pence, pledged_on
FROM pledges LEFT JOIN bodies ON bodies.id = pledges.organisation_id
LEFT JOIN funds ON funds.id = fund_id WHERE pledges.id = :id;

-- name: lock_pledge^
-- A pledge that nobody else changes until this transaction has ended, with the body that it is of by now.
SELECT pledges.id, coalesce(shown_id, organisation_id) AS organisation_id, campaign_id, fund, fund_id, fund_key,
       amount_pence, received_pence, written_back_pence
FROM pledges LEFT JOIN bodies ON bodies.id = organisation_id WHERE pledges.id = :id FOR UPDATE OF pledges;

-- name: note_received!
-- So much of a pledge has come.
UPDATE pledges SET received_pence = received_pence + :pence WHERE id = :id;

-- name: set_written_back!
-- So much of a pledge will not come, for this reason.
UPDATE pledges SET written_back_pence = :pence, written_back_because = :reason WHERE id = :id;

-- name: enter_pledge_step$
-- Write down what was said of a pledge; its number. Before that, set nothing on the pledge: what an earlier release wrote back
-- has no step, and was announced as the first.
INSERT INTO pledge_steps (pledge_id, number, what, amount_pence, words, person_id, happened_at)
SELECT :pledge_id, coalesce(
    (SELECT max(number) FROM pledge_steps WHERE pledge_id = :pledge_id),
    (SELECT count(*) FROM pledges WHERE id = :pledge_id AND written_back_pence > 0)
) + 1, :what, :amount_pence, :words, :person_id, :now
RETURNING number;

-- name: pledge_steps_of
-- What was said of a pledge, newest first.
SELECT number, what, amount_pence, words, person_id, happened_at FROM pledge_steps
WHERE pledge_id = :pledge_id ORDER BY number DESC;

-- name: enter_contribution!
-- Enter money that came.
INSERT INTO contributions (
    id, fund_id, organisation_id, pledge_id, amount_pence, received_on, bank_reference, entered_by, entered_at
) VALUES (
    :id, :fund_id, :organisation_id, :pledge_id, :amount_pence, :received_on, :bank_reference, :entered_by, :now
);

-- name: entered_before$
-- Whether the very same money was entered before: for a fund, on a day, so much, under a bank reference.
SELECT EXISTS (
    SELECT FROM contributions WHERE fund_id = :fund_id AND received_on = :received_on
        AND amount_pence = :amount_pence AND lower(bank_reference) = lower(:bank_reference)
);

-- name: lock_contribution^
-- A contribution that nobody else changes until this transaction has ended, with the body that it is of by now.
SELECT contributions.id, contributions.fund_id, funds.name AS fund,
       coalesce(shown_id, contributions.organisation_id) AS organisation_id, pledge_id, campaign_id,
       contributions.amount_pence, refunded_pence, received_on, contributions.version
FROM contributions JOIN funds ON funds.id = contributions.fund_id LEFT JOIN pledges ON pledges.id = pledge_id
LEFT JOIN bodies ON bodies.id = contributions.organisation_id
WHERE contributions.id = :id FOR UPDATE OF contributions;

-- name: note_refunded$
-- So much of a contribution went back. Its version after that.
UPDATE contributions SET refunded_pence = refunded_pence + :pence, version = version + 1 WHERE id = :id
RETURNING version;

-- name: contribution_by_id^
-- A contribution with the names of its body and its fund.
SELECT contributions.id, contributions.fund_id, funds.name AS fund, contributions.organisation_id,
       bodies.name AS body_name, pledge_id, amount_pence, refunded_pence, received_on, bank_reference,
       entered_by, entered_at
FROM contributions JOIN funds ON funds.id = contributions.fund_id
LEFT JOIN bodies ON bodies.id = contributions.organisation_id WHERE contributions.id = :id;

-- name: contributions_of
-- What came for a fund, newest first.
SELECT contributions.id, bodies.name AS body_name, pledge_id, amount_pence, refunded_pence, received_on,
       bank_reference
FROM contributions LEFT JOIN bodies ON bodies.id = contributions.organisation_id
WHERE fund_id = :fund_id ORDER BY received_on DESC, contributions.id DESC LIMIT :most;

-- name: contributions_to_pledge
-- What came of a pledge, oldest first.
SELECT id, amount_pence, refunded_pence, received_on FROM contributions
WHERE pledge_id = :pledge_id ORDER BY received_on, id;

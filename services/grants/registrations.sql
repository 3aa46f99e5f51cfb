-- name: lock_askings!
-- Let one form after the other in: so many mails, and no more.
SELECT pg_advisory_xact_lock(7204202);

-- name: asked_since^
-- How many mails the form has sent since a moment: to this address, and to all of them.
SELECT (SELECT count(*) FROM registration_askings WHERE email = :email AND asked_at > :day) AS to_one,
    (SELECT count(*) FROM registration_askings WHERE asked_at > :hour) AS to_all;

-- name: enter_asking!
-- Keep what somebody typed until they confirm it.
INSERT INTO registration_askings (
    id, token_digest, email, asked_at, reference, profession, area, country, exam_stage, purposes, address,
    notice_version
) VALUES (
    :id, :token_digest, :email, :now, :reference, :profession, :area, :country, :exam_stage, :purposes, :address,
    :notice_version
);

-- name: asking_by_token^
-- What a link leads to: what somebody typed, or the registration that it became.
SELECT a.id, a.asked_at, a.registration_id, a.email, a.reference, a.address, a.notice_version,
    coalesce(r.profession, a.profession) AS profession, coalesce(r.area, a.area) AS area,
    coalesce(r.country, a.country) AS country, coalesce(r.exam_stage, a.exam_stage) AS exam_stage,
    r.registered_on, r.changed_at,
    CASE WHEN r.id IS NULL THEN a.purposes ELSE ARRAY (
        SELECT p.purpose FROM registration_purposes AS p
        WHERE p.registration_id = r.id AND p.withdrawn_at IS NULL ORDER BY p.id
    ) END AS purposes
FROM registration_askings AS a LEFT JOIN registrations AS r ON r.id = a.registration_id
WHERE a.token_digest = :digest;

-- name: registration_of_address^
-- The registration of whoever reads mail at an address, however they came.
SELECT id, person FROM registrations WHERE email = :email OR person = :email
ORDER BY email IS NULL LIMIT 1 FOR UPDATE;

-- name: registration_to_claim^
-- A registration under this reference which says the same as the form and has no address yet.
SELECT id, person FROM registrations
WHERE person = :reference AND email IS NULL AND profession = :profession AND area = :area AND country = :country
FOR UPDATE;

-- name: forget_registration!
-- Delete one registration, and the links that lead to it.
DELETE FROM registrations WHERE id = :id;

-- name: enter_registration!
-- Enter somebody who has confirmed their address.
INSERT INTO registrations (
    id, person, email, address, notice_version, profession, area, country, exam_stage, lawful_basis, registered_on,
    recorded_at, changed_at
) VALUES (
    :id, :person, :email, :address, :notice_version, :profession, :area, :country, :exam_stage, :lawful_basis, :today,
    :now, :now
);

-- name: amend_registration!
-- Let somebody's registration say what they have just confirmed.
UPDATE registrations SET
    person = :person, email = :email, address = :address, notice_version = :notice_version, profession = :profession,
    area = :area, country = :country, exam_stage = :exam_stage, lawful_basis = :lawful_basis, version = version + 1,
    changed_at = :now
WHERE id = :id;

-- name: settle_asking!
-- What somebody typed has become their registration: forget it here, keep the way.
UPDATE registration_askings SET
    registration_id = :registration_id, reference = NULL, profession = NULL, area = NULL, country = NULL,
    exam_stage = NULL, purposes = NULL, address = NULL, notice_version = NULL
WHERE id = :id;

-- name: withdraw_purposes!
-- What somebody agreed to before and does not any more.
UPDATE registration_purposes SET withdrawn_at = :now
WHERE registration_id = :registration_id AND withdrawn_at IS NULL AND purpose <> ALL (:purposes::text[]);

-- name: give_purposes!
-- What somebody agrees to; what they agreed to already stays as it was given.
INSERT INTO registration_purposes (registration_id, purpose, lawful_basis, notice_version, given_at)
SELECT :registration_id, purpose, lawful_basis, :notice_version, :now
FROM unnest(:purposes::text[], :lawful_bases::text[]) AS given (purpose, lawful_basis)
ON CONFLICT (registration_id, purpose) WHERE withdrawn_at IS NULL DO NOTHING;

-- name: registrations_held
-- The registrations of these people.
SELECT r.profession, r.area, r.country, r.exam_stage, r.lawful_basis AS lawful_basis_of_counting, r.notice_version,
    r.email IS NOT NULL AS address_confirmed, r.address IS NOT NULL AS address_kept_sealed, r.registered_on,
    r.recorded_at, r.changed_at, coalesce((
        SELECT jsonb_agg(jsonb_build_object(
            'purpose', p.purpose, 'lawful basis', p.lawful_basis, 'privacy notice', p.notice_version,
            'given at', p.given_at, 'withdrawn at', p.withdrawn_at) ORDER BY p.id)
        FROM registration_purposes AS p WHERE p.registration_id = r.id
    ), '[]'::jsonb) AS purposes
FROM registrations AS r
WHERE r.person = ANY(:persons::bytea[]) OR r.email = ANY(:persons::bytea[]) ORDER BY r.registered_on, r.id;

-- name: askings_held
-- What these people typed into the form and have not confirmed.
SELECT profession, area, country, exam_stage, purposes, notice_version, asked_at FROM registration_askings
WHERE email = ANY(:persons::bytea[]) AND registration_id IS NULL ORDER BY asked_at, id;

-- name: forget_registrations$
-- Delete the registrations of these people. How many.
WITH forgotten AS (
    DELETE FROM registrations WHERE person = ANY(:persons::bytea[]) OR email = ANY(:persons::bytea[]) RETURNING 1
)
SELECT count(*) FROM forgotten;

-- name: forget_askings
-- Delete what these people typed into the form; answers which, and what of it they had confirmed.
DELETE FROM registration_askings WHERE email = ANY(:persons::bytea[]) RETURNING id, registration_id;

-- name: purge_registrations$
-- Delete registrations that nobody has had to do with since a moment. How many.
WITH old AS (
    SELECT id FROM registrations WHERE changed_at < :before ORDER BY changed_at, id LIMIT :most
    FOR UPDATE SKIP LOCKED
), forgotten AS (
    DELETE FROM registrations AS r USING old WHERE r.id = old.id RETURNING 1
)
SELECT count(*) FROM forgotten;

-- name: purge_askings$
-- Delete what was typed before a moment and never confirmed. How many.
WITH old AS (
    SELECT id FROM registration_askings WHERE asked_at < :before AND registration_id IS NULL
    ORDER BY asked_at, id LIMIT :most FOR UPDATE SKIP LOCKED
), forgotten AS (
    DELETE FROM registration_askings AS a USING old WHERE a.id = old.id RETURNING 1
)
SELECT count(*) FROM forgotten;

-- name: crossed
-- How many people there are by two of their traits, among those whom the filters let through.
SELECT row_code, column_code, count(*) AS count FROM (
    SELECT CASE :row_trait::text WHEN 'area' THEN area WHEN 'profession' THEN profession WHEN 'country' THEN country
            ELSE exam_stage END AS row_code,
        CASE :column_trait::text WHEN 'area' THEN area WHEN 'profession' THEN profession WHEN 'country' THEN country
            ELSE exam_stage END AS column_code
    FROM registrations
    WHERE (:area::text IS NULL OR area = :area::text)
        AND (:profession::text IS NULL OR profession = :profession::text)
        AND (:country::text IS NULL OR country = :country::text)
        AND (:exam_stage::text IS NULL OR exam_stage = :exam_stage::text)
) AS people
GROUP BY row_code, column_code;

-- name: countries
-- Where anybody who is registered has qualified.
SELECT DISTINCT country FROM registrations ORDER BY country;

"""The names on the broker, and who hears whose sign of life."""

from datetime import timedelta

from contracts.access import RULES, SIGNED_BY, Action
from contracts.topology import CANARIES, EXCHANGES, HEARD_BY, PARTNERS, SERVICES, canary_key, signs_heard_by


def test_everybody_hears_whoever_signs_their_sessions() -> None:
    others = tuple(service for service in SERVICES if service != SIGNED_BY)
    assert HEARD_BY[SIGNED_BY] == others
    for service in SERVICES:
        assert signs_heard_by(service) == (others if service == PARTNERS else (SIGNED_BY,))


def test_a_sign_of_life_is_told_by_its_type() -> None:
    assert {canary_key(service): service for service in SERVICES} == CANARIES
    assert set(EXCHANGES) == set(CANARIES.values())


def test_what_concerns_money_or_decisions_weighs() -> None:
    assert {action for action, rule in RULES.items() if rule.weighs} == {
        Action.CONFIRM_PLEDGES,
        Action.KEEP_FUNDS,
        Action.JUDGE_APPLICATIONS,
        Action.KEEP_PANEL,
        Action.RECORD_DECISIONS,
        Action.PREPARE_PAYMENTS,
        Action.MAKE_PAYMENTS,
        Action.ADMINISTER_PEOPLE,
        Action.ANSWER_RIGHTS,
        Action.SETTLE_PARKED,
    }
    assert all(rule.weighs for rule in RULES.values() if rule.proof)
    assert RULES[Action.MAKE_PAYMENTS].proof == timedelta(minutes=10)
    assert RULES[Action.RECORD_DECISIONS].proof == timedelta(hours=3), "as long as a panel sits together"

"""Whether an application may go to the panel: what each rule finds, and what somebody of ours says.

A refusal names its rule. Nothing that the applicant wrote is changed here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from chassis.database import Transaction
from chassis.errors import Conflict, NotFound, Refused
from contracts.grants import ApplicationRefused, ApplicationReopened, ApplicationReturned
from services.grants.applying import Asked, move, tell, today_of
from services.grants.domain import Overtaken
from services.grants.eligibility import EVERY_RULE, REFUSING, RULES, Finding, Known, Outcome, check
from services.grants.queries import APPLICATIONS, ROUNDS
from services.grants.rounds import Means, Round, means_of
from services.grants.states import COUNTING, Mover, State, check_move, may_move

#: Characters of what an applicant is told.
LONGEST_WORDS = 1_500
#: Other applications of the same person, or perhaps of them, that are looked at.
MOST_ALIKE = 100

#: States of an application that money was given for.
_AWARDED = frozenset({State.AWARDED, State.ACCEPTED, State.PAID, State.REPORTED})


@dataclass(frozen=True, kw_only=True)
class Examined:
    """An application with what every rule finds in it."""

    plan: Round
    findings: Sequence[Finding]
    #: Others of the same person, or perhaps of them.
    alike: Sequence[Any]
    #: Rules by which it may be refused: those that are not met, or that only somebody who looks can tell.
    refusing: Sequence[str]

    def unmet(self) -> list[Finding]:
        """What stands against it. The day of the exam never does."""
        return [each for each in self.findings if each.outcome is Outcome.NOT_MET]


async def examine(tx: Transaction, row: Mapping[str, Any]) -> Examined:
    """Look at an application by the rules of its round.

    Args:
        row: of the application.
    """
    plan = Round.of(await ROUNDS.round_by_id(tx, id=row["round_id"]))
    means = await means_of(tx, plan.fund_id)
    alike = [each async for each in APPLICATIONS.applications_alike(tx, id=row["id"], most=MOST_ALIKE)]
    registered = await APPLICATIONS.is_registered(tx, id=row["id"])
    known = _known(tx, row, plan, means, alike, registered)
    with_status = [name for name in plan.eligibility if means.terms_on_status or not RULES[name].of_status]
    findings = check(plan.eligibility, known)
    doubted = {each.rule for each in findings if each.outcome is not Outcome.MET}
    refusing = [name for name in EVERY_RULE if name in doubted and (name in REFUSING or name in with_status)]
    return Examined(plan=plan, findings=findings, alike=alike, refusing=refusing)


def _known(
    tx: Transaction,
    row: Mapping[str, Any],
    plan: Round,
    means: Means,
    alike: Sequence[Any],
    registered: bool | None,
) -> Known:
    lists = tx.context.house.lists
    here = [each for each in alike if each["round_id"] == row["round_id"] and each["state"] in COUNTING]
    same = sum(map(is_same, here))
    asked = vars(Asked.of(row))
    names = {code: entry.name for name in _NAMED for code, entry in lists[name].items()}
    return Known(
        **{each.name: asked[each.name] for each in fields(Asked) if each.name != "words"},
        professions=plan.professions,
        purposes=plan.purposes,
        most_pence=plan.most_pence or 0,
        meets_on=plan.meets_on or today_of(tx),
        fund_professions=means.allowed.professions,
        fund_purposes=means.allowed.purposes,
        terms_on_status=means.terms_on_status,
        areas=frozenset(lists["areas"]),
        registered=registered,
        same_in_round=same,
        alike_in_round=len(here) - same,
        awards=sum(
            each["state"] in _AWARDED and each["purpose"] == row["purpose"] and is_same(each)
            for each in alike
        ),
        names=names,
    )


_NAMED = ("professions", "purposes", "areas")


def is_same(alike: Mapping[str, Any]) -> bool:
    """Whether another application is of the same person for certain: two people may share an address."""
    return bool(alike["same_person"] or (alike["same_email"] and alike["same_name"]))


def may_accept(state: State) -> bool:
    """Whether somebody of ours may let it go to the panel, which does not have it yet."""
    return state is not State.UNDER_REVIEW and may_move(state, State.ELIGIBLE, Mover.OFFICER)


async def accept(tx: Transaction, id: UUID, by: UUID, *, seen: int) -> None:
    """Let it go to the panel; whoever was refused before is told.

    Args:
        seen: the version that was looked at.

    Raises:
        NotFound, Conflict: when there is none, it has changed, or a rule is not met.
    """
    row = await _locked(tx, id, State.ELIGIBLE, seen)
    if not may_accept(State(row["state"])):
        raise Overtaken("The panel has it already.", "Take it back from the panel first.")
    examined = await examine(tx, row)
    if unmet := examined.unmet():
        cure = f"Refuse it, or return it so that it can be put right. Not met: {unmet[0].asks}"
        raise Conflict("A rule is not met.", cure)
    await move(tx, row, State.ELIGIBLE, by=by)
    if row["state"] == State.INELIGIBLE:
        await tell(tx, ApplicationReopened, id, meets_on=examined.plan.meets_on)


async def refuse(tx: Transaction, id: UUID, by: UUID, *, seen: int, rule: str, words: str) -> None:
    """Refuse it by a rule; the applicant is told which, and what more there is to say.

    Args:
        seen: the version that was looked at.

    Raises:
        NotFound, Conflict: when there is none, or it has changed.
        Refused: when the rule is none of its round, or is met.
    """
    row = await _locked(tx, id, State.INELIGIBLE, seen)
    if rule not in (await examine(tx, row)).refusing:
        raise Refused("It is not said by which rule.", "Choose one of the list.", field="rule")
    told = "\n\n".join(filter(None, (EVERY_RULE[rule].refusal, words)))
    await move(tx, row, State.INELIGIBLE, by=by, rule=rule, words=told)
    await tell(tx, ApplicationRefused, id, words=told, rule=rule)


async def give_back(tx: Transaction, id: UUID, by: UUID, *, seen: int, words: str) -> None:
    """Ask the applicant for what is missing.

    Args:
        seen: the version that was looked at.

    Raises:
        NotFound, Conflict: when there is none, it has changed, or the panel meets.
    """
    row = await _locked(tx, id, State.RETURNED, seen)
    plan = Round.of(await ROUNDS.round_by_id(tx, id=row["round_id"]))
    if plan.meets_on is None or plan.meets_on <= today_of(tx):
        raise Conflict("The panel meets today or has met.", "There is no time left to ask for more.")
    await move(tx, row, State.RETURNED, by=by, words=words)
    await tell(tx, ApplicationReturned, id, words=words, meets_on=plan.meets_on)


async def _locked(tx: Transaction, id: UUID, to: State, seen: int) -> Any:
    row = await APPLICATIONS.lock_application(tx, id=id)
    if row is None or row["submitted_at"] is None:
        raise NotFound
    check_move(State(row["state"]), to, Mover.OFFICER)
    if row["version"] != seen:
        cure = "Look at it as it is now. What you wrote still stands below."
        raise Overtaken("This application has changed since you looked at it.", cure, field="judge")
    return row

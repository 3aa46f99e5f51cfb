"""How the states of an application look, to staff and to whoever applies."""

from collections.abc import Mapping

from services.grants.states import State

_S = State

#: How each state looks.
LOOKS: Mapping[State, str] = {
    _S.SUBMITTED: "question",
    _S.RETURNED: "late",
    _S.ELIGIBLE: "done",
    _S.INELIGIBLE: "declined",
    _S.UNDER_REVIEW: "asked",
    _S.AWARDED: "pledged",
    _S.DECLINED: "declined",
    _S.DEFERRED: "late",
    _S.ACCEPTED: "pledged",
    _S.PAID: "pledged",
    _S.REPORTED: "done",
    _S.WITHDRAWN: "withdrawn",
    _S.LAPSED: "closed",
}

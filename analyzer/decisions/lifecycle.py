"""Which way a decision may go, by itself and by the hand of a person. Pure."""

from __future__ import annotations

from enum import StrEnum

from analyzer.model import DecisionState

TOLD = {
    DecisionState.PROPOSED,
    DecisionState.APPROVED,
    DecisionState.ACTIVE,
    DecisionState.VERIFIED,
    DecisionState.WITHDRAWN,
}
"""States somebody is told of; rejected and expired need no message."""

NEXT: dict[DecisionState, set[DecisionState]] = {
    DecisionState.PROPOSED: set(DecisionState),
    DecisionState.APPROVED: set(DecisionState) - {DecisionState.PROPOSED, DecisionState.REJECTED},
    DecisionState.ACTIVE: {
        DecisionState.ACTIVE,
        DecisionState.VERIFIED,
        DecisionState.WITHDRAWN,
        DecisionState.EXPIRED,
    },
    DecisionState.VERIFIED: {
        DecisionState.VERIFIED,
        DecisionState.WITHDRAWN,
        DecisionState.EXPIRED,
    },
    DecisionState.WITHDRAWN: set(),
    DecisionState.REJECTED: set(),
    DecisionState.EXPIRED: set(),
}
"""Where a decision may go from each state; nothing leads out of the last three."""

OPEN_DECISIONS = tuple(state for state, following in NEXT.items() if following)


class Verb(StrEnum):
    """What a person does to a decision."""

    APPROVE = "approve"
    REJECT = "reject"
    CANCEL = "cancel"


VERBS: dict[Verb, tuple[DecisionState, set[DecisionState]]] = {
    Verb.APPROVE: (DecisionState.APPROVED, {DecisionState.PROPOSED}),
    Verb.REJECT: (DecisionState.REJECTED, {DecisionState.PROPOSED}),
    Verb.CANCEL: (DecisionState.WITHDRAWN, set(OPEN_DECISIONS)),
}

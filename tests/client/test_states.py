from __future__ import annotations

from zoo.client.states import TRANSITIONS, State


def test_every_state_is_in_the_table_and_final_ones_lead_nowhere_but_closed() -> None:
    assert TRANSITIONS.keys() == set(State)
    for state in State:
        if state.is_final:
            assert TRANSITIONS[state] <= {State.CLOSED}
        else:
            assert State.CLOSED in TRANSITIONS[state]


def test_a_session_is_lost_only_out_of_suspension() -> None:
    assert [s for s in State if State.LOST in TRANSITIONS[s]] == [State.SUSPENDED]
    assert [s for s in State if s.is_usable] == [State.CONNECTED, State.READ_ONLY]

"""A small load of the real app: no exception, no answer of another session, and a table with every action."""

from __future__ import annotations

from benchmarks.load import QUEUED, load


def test_sessions_at_once_neither_fail_nor_mix(figures) -> None:
    found = load(sessions=6, browsers=0, rounds=2, minutes=0.0, think=0.2, quick=True, tell=lambda text: None)
    together = found.together
    assert not together.exceptions, together.exceptions[:3]
    assert not together.cross_talk, together.cross_talk[:3]
    answers = sum(map(len, together.seconds.values()))
    assert answers == 6 * 2 * len(together.seconds) and set(together.seconds) == set(found.alone.seconds)
    assert found.states == {"training": 1, "queued": QUEUED}
    each = (found.during - found.before) / 6
    assert each < 100
    figures.add(answers_under_load=answers, exceptions=0, answers_of_another_session=0)
    figures.say(f"memory of the server: {each:.1f} MiB a session")

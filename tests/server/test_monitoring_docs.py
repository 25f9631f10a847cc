"""docs/MONITORING.md says what the code does: its tables, its words, its examples."""

from __future__ import annotations

import re

from tests.server.monitoring_tables import PAGE, render
from tests.server.view_double import NOW_MS, of_ensemble
from zoo.config import parse_zoo_cfg
from zoo.server.four_letter_words import WORDS, answer


def test_the_tables_are_those_of_the_code() -> None:
    page = PAGE.read_text()
    assert page == render(page), "run: python -m tests.server.monitoring_tables"


def test_each_word_has_its_row_and_the_default_column_is_true() -> None:
    rows = re.findall(r"^\| `(\w{4})` \| (yes|no) \|", PAGE.read_text(), flags=re.MULTILINE)
    assert sorted(word for word, _ in rows) == sorted(word.decode() for word in WORDS)
    on = {word for word, default in rows if default == "yes"}
    assert on == set(default_words())


def default_words() -> tuple[str, ...]:
    return parse_zoo_cfg("dataDir=/d\nclientPort=2181\n").four_letter_words


def test_the_keys_that_the_text_names_exist() -> None:
    view = of_ensemble(leads=True)
    assert view.facts is not None
    view.facts = view.facts._replace(observer_master_id=3)  # as if it observed as well
    told = answer(b"mntr", view, ("mntr",), NOW_MS).decode()
    keys = {line.split("\t")[0] for line in told.splitlines()}
    named = set(re.findall(r"`(zk_\w*[a-z])`", PAGE.read_text()))
    assert named - keys == set()
    assert len(named) > 30

"""Full-text search: the words of a text as PostgreSQL understands them, and what a search asks for.

A record is entered under each of its words, so that a search is a look-up in an index that works under the wall. All
words have to be there; `-word` must not, and words in quotation marks have to follow each other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from apps.data.conditions import json_at
from apps.data.indexes import Search
from apps.data.keys import words
from apps.data.lookups import LookUp
from apps.data.statements import NOTHING, Part, sql, value

#: Of a record's text this much is searched, in characters. PostgreSQL refuses a text whose words take a megabyte;
#: these stay below 850 kB, in letters of four bytes and with each word twice, as a part of another one with a hyphen.
MOST_TEXT = 100_000
_TOKENS = re.compile(r'-?"[^"]*"?|\S+')


@dataclass(frozen=True, slots=True)
class Asked:
    """What a search asks for, as keys of words: those that have to be there, those that must not, and phrases."""

    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]
    phrases: tuple[str, ...]

    @property
    def asks_nothing(self) -> bool:
        """True when no word is left that a record could be found by."""
        return not self.wanted


def lexemes_of(language: str, texts: Sequence[str]) -> list[list[str]]:
    """The words of each text, in their basic forms. One query; none when there is no text."""
    if not any(texts):
        return [[] for _ in texts]
    with connection.cursor() as cursor:
        cursor.execute(
            "select tsvector_to_array(to_tsvector(%s::text::regconfig, given.body)) "
            "from unnest(%s::text[]) with ordinality as given(body, place) order by given.place",
            [language, [text[:MOST_TEXT] for text in texts]],
        )
        return [row[0] for row in cursor.fetchall()]


def read_search(search: Search, text: str) -> Asked:
    """What somebody means who types `text`."""
    tokens = _TOKENS.findall(text)
    phrases = [token.strip('"') for token in tokens if token.startswith('"')]
    unwanted = [token[1:].strip('"') for token in tokens if token.startswith("-") and len(token) > 1]
    plain = [token for token in tokens if not token.startswith(("-", '"'))]
    found = lexemes_of(search.language, [" ".join([*plain, *phrases]), " ".join(unwanted)])
    longer = tuple(phrase for phrase in phrases if len(phrase.split()) > 1)
    return Asked(tuple(words(found[0])), tuple(words(found[1])), longer)


def look_ups(asked: Asked, index: int) -> list[LookUp]:
    """The words that are asked for as entries of an index."""
    wanted = [LookUp(index, _is(word), is_value=True) for word in asked.wanted]
    return [*wanted, *(LookUp(index, _is(word), absent=True) for word in asked.unwanted)]


def _is(word: str) -> Part:
    return sql("key = {}", value(word))


def on_text(asked: Asked, search: Search) -> list[Part]:
    """What cannot be told from words alone of a record `r`: phrases. Nothing is found by no word."""
    if asked.asks_nothing:
        return [NOTHING]
    return [_follows(search, phrase) for phrase in asked.phrases]


def _follows(search: Search, phrase: str) -> Part:
    """That the words of a phrase follow each other in the text."""
    language = sql("{}::text::regconfig", value(search.language))
    return sql(
        "coalesce(to_tsvector({}, {}) @@ phraseto_tsquery({}, {}::text), false)",
        language, _text(search), language, value(phrase),
    )  # fmt: skip


def _text(search: Search) -> Part:
    """What is searched in a record `r`: the texts of its fields, one after the other."""
    texts = [sql("{} #>> '{{}}'", json_at(path)) for path in search.fields]
    return sql(f"left(concat_ws(E'\\n', {', '.join(['{}'] * len(texts))}), {MOST_TEXT})", *texts)

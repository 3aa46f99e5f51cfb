"""What a schema lost or asks for since an earlier one: what code of that day might trip over.

A migration only adds, so that old code goes on beside new code (expand). What nothing needs any more goes
when no supported release uses it (contract), and is named in :data:`CONTRACTED`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import asyncpg

#: By service and what :func:`contractions` says of it: why no supported release trips over it.
CONTRACTED: dict[tuple[str, str], str] = {
    (
        "notifications",
        "letters has a rule that it did not have: letters_printed_for_the_post",
    ): "it speaks of letters that are printed, and whoever knows of no post prints none",
    (
        "notifications",
        "answers has a rule that it did not have: answers_written_back_of_a_pledge",
    ): "it speaks of what is written back, and whoever knows nothing of that writes nothing back",
}

#: Types that take whatever another one took.
_WIDER = {("smallint", "integer"), ("smallint", "bigint"), ("integer", "bigint")}

_COLUMNS = """
SELECT c.relname AS table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS needed, a.atthasdef OR a.attidentity <> '' AS filled
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
      AND a.attnum > 0 AND NOT a.attisdropped
"""
_RULES = """
SELECT r.relname AS table, c.conname AS name,
       pg_get_constraintdef(c.oid) AS says,
       array(SELECT attname::text FROM pg_attribute
             WHERE attrelid = r.oid AND attnum = ANY(c.conkey)) AS columns
FROM pg_constraint AS c JOIN pg_class AS r ON r.oid = c.conrelid
WHERE c.connamespace = 'public'::regnamespace AND c.contype <> 'n'
UNION ALL
SELECT r.relname, i.relname, pg_get_indexdef(i.oid),
       array(SELECT attname::text FROM pg_attribute WHERE attrelid = r.oid AND attnum = ANY(x.indkey))
FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid JOIN pg_class AS r ON r.oid = x.indrelid
WHERE r.relnamespace = 'public'::regnamespace AND x.indisunique
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.oid AND contype <> 'f')
"""
_LIST = re.compile(r"ARRAY\[([^\]]*)\]")


@dataclass(frozen=True)
class Column:
    """What a column takes."""

    type: str
    needed: bool
    #: It gets a value by itself where none is given.
    filled: bool


@dataclass(frozen=True)
class Rule:
    """A constraint or a unique index."""

    says: str
    columns: frozenset[str]


@dataclass(frozen=True)
class Tables:
    """Columns and rules, each by table and name."""

    columns: Mapping[tuple[str, str], Column]
    rules: Mapping[tuple[str, str], Rule]

    @property
    def names(self) -> set[str]:
        return {table for table, _ in self.columns}


async def tables(connection: asyncpg.Connection) -> Tables:
    """The tables of a database as they are."""
    columns = {
        (row["table"], row["name"]): Column(row["type"], row["needed"], row["filled"])
        for row in await connection.fetch(_COLUMNS)
    }
    rules = {
        (row["table"], row["name"]): Rule(row["says"], frozenset(row["columns"]))
        for row in await connection.fetch(_RULES)
    }
    return Tables(columns, rules)


def contractions(old: Tables, new: Tables) -> Iterator[str]:
    """What code that was written for the old tables might trip over, one sentence each."""
    for table in sorted(old.names - new.names):
        yield f"table {table} is gone"
    kept = old.names & new.names
    for (table, name), before in sorted(old.columns.items()):
        if table in kept:
            now = new.columns.get((table, name))
            yield from (f"{table}.{name} {what}" for what in _changes(before, now))
    for (table, name), now in sorted(new.columns.items()):
        if table in kept and (table, name) not in old.columns and now.needed and not now.filled:
            yield f"{table}.{name} is new, and must be given"
    for (table, name), rule in sorted(new.rules.items()):
        known = {column for of, column in old.columns if of == table}
        said = old.rules.get((table, name))
        if table in kept and rule.columns & known and not (said and _takes_as_much(rule.says, said.says)):
            yield f"{table} has a rule that it did not have: {name}"


def _changes(before: Column, now: Column | None) -> Iterator[str]:
    if now is None:
        yield "is gone"
        return
    if now.type != before.type and (before.type, now.type) not in _WIDER:
        yield f"was {before.type} and is {now.type}"
    if now.needed and not before.needed:
        yield "may not be empty any more"
    if now.needed and before.filled and not now.filled:
        yield "must be given now"


def _takes_as_much(now: str, before: str) -> bool:
    """The same rule, or one with more words in its lists."""
    lists = zip(_LIST.findall(before), _LIST.findall(now), strict=False)
    return _LIST.sub("", now) == _LIST.sub("", before) and all(
        set(fewer.split(", ")) <= set(more.split(", ")) for fewer, more in lists
    )

"""The architecture, held by tests: who may import whom, where SQL stands, which words belong where.

Each message says what to do instead. The reasons are in ``docs/decisions/0001-architecture.md``.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from contracts.topology import SERVICES

ROOT = Path(__file__).parents[1]
PACKAGES = ("contracts", "chassis", "services")

#: What tools and runs leave behind; the same as .gitignore.
LEFT_BEHIND = {".git", ".venv", ".conduit", "build", "dist", "__pycache__", "node_modules"}
LEFT_BEHIND |= {".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"}

#: What the chassis must not know. Whoever adds a service adds its words.
BUSINESS_WORDS = set(
    "organisation contact letter campaign fund grant partner trust referral applicant award donor "
    "borough dentist pledge contribution beneficiary trustee".split()
)
#: Words of other trades that only look like ours.
FALSE_FRIENDS = re.compile(
    r"dead[-_ ]?letter(s|ed|ing)?"  # the broker's
    r"|\bGRANT\b"  # SQL's
    r"|(?<=[-_\"' ])trust(?= authentication|\")"  # PostgreSQL's way of asking for no password
    r"|\bLetter\b(?=[^\n]*(paper|page|A4))",  # a size of paper
    re.IGNORECASE,
)

SQL = re.compile(
    r"\b(SELECT\s[\s\S]+?\sFROM\s|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s|CREATE\s+TABLE\s)",
    re.IGNORECASE,
)


def walk(*folders: str, suffixes: Iterable[str] = (".py",)) -> Iterator[Path]:
    """The project's files below these folders, in order."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            inside = path.relative_to(ROOT)
            if path.is_file() and path.suffix in suffixes and not LEFT_BEHIND & set(inside.parts):
                yield path


def named(path: Path, line: int = 0) -> str:
    """The file as somebody would open it."""
    return f"{path.relative_to(ROOT)}:{line}" if line else str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(path.read_text("utf-8"), filename=str(path))


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that this one imports, with the line; ``from a import b`` counts as ``a.b``."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            start = ".".join((*above, *([node.module] if node.module else [])))
            yield from ((f"{start}.{alias.name}", node.lineno) for alias in node.names)


def texts(path: Path) -> Iterator[tuple[str, int, bool]]:
    """Every text in a module but its docstrings, with its line, and whether values are put into it."""
    tree = parsed(path)
    skipped = {id(docstring) for node in ast.walk(tree) for docstring in _docstrings(node)}
    put_into: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part for part in node.values if isinstance(part, ast.Constant)]
            skipped |= set(map(id, parts))
            yield "…".join(str(part.value) for part in parts), node.lineno, len(parts) < len(node.values)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            put_into.add(id(node.left))
        elif isinstance(node, ast.Attribute) and node.attr == "format":
            put_into.add(id(node.value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.value, node.lineno, id(node) in put_into


def _docstrings(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and ast.get_docstring(node) is not None:
            yield first.value


def within(name: str, package: str) -> bool:
    """Whether an imported name lies in the package."""
    return name == package or name.startswith(f"{package}.")


def none_of(faults: Iterable[str], instead: str) -> None:
    """Fail with all faults at once and with what to do instead."""
    found = list(faults)
    assert not found, "\n".join([*found, "", instead])


# contracts ← chassis ← services


def test_contracts_import_nothing_of_ours() -> None:
    allowed = {*sys.stdlib_module_names, "marshmallow", "contracts"}
    none_of(
        (
            f"{named(path, line)} imports {name}"
            for path in walk("contracts")
            for name, line in imports(path)
            if name.partition(".")[0] not in allowed
        ),
        "contracts says what is said and imports marshmallow and the standard library only: "
        "move what needs more into chassis.",
    )


def test_the_chassis_knows_no_service() -> None:
    none_of(
        (
            f"{named(path, line)} imports {name}"
            for path in walk("chassis")
            for name, line in imports(path)
            if within(name, "services")
        ),
        "The chassis carries any service: let the service hand over what is needed when it is wired.",
    )


def test_services_never_import_each_other() -> None:
    none_of(
        (
            f"{named(path, line)} imports {name}"
            for service in SERVICES
            for path in walk(f"services/{service}")
            for name, line in imports(path)
            if within(name, "services") and not within(name, f"services.{service}")
        ),
        "Services hear of each other through events: subscribe to a fact and keep a copy. "
        "What several services need belongs to chassis (if it knows no business word) or contracts.",
    )


def test_eventlet_is_imported_in_one_place() -> None:
    none_of(
        (
            f"{named(path, line)} imports {name}"
            for path in walk(*PACKAGES, "tests")
            for name, line in imports(path)
            if name.partition(".")[0] in {"eventlet", "greenlet"} and path != ROOT / "chassis" / "loop.py"
        ),
        "chassis/loop.py is the only bridge to eventlet: use its wait() and green(), or write `async def`.",
    )


def test_services_know_nothing_of_green_threads() -> None:
    none_of(
        (
            f"{named(path, line)} imports {name}"
            for service in SERVICES
            for path in walk(f"services/{service}")
            for name, line in imports(path)
            if within(name, "chassis.loop")
        ),
        "Everything above the chassis is plain `async def`: that is the way out if eventlet goes.",
    )


# what is not there

#: What would read more than data, ask elsewhere or speak to what we have not. Names as they are imported.
UNWANTED: tuple[str, ...] = (
    "pickle",
    "shelve",
    "marshal",
    "yaml",
    "xml",
    "lxml",
    "defusedxml",
    "ldap3",
    "pymemcache",
)
UNWANTED += ("urllib.request", "http.client", "ftplib", "requests", "httpx", "aiohttp", "websockets")


#: Where it is wanted all the same, as docs/security.md says: between a process and those that it starts.
WANTED = {("chassis/apart.py", "pickle")}


def test_nothing_is_imported_that_builds_objects_or_asks_elsewhere() -> None:
    none_of(
        (
            f"{named(path, line)} imports {name}"
            for path in walk(*PACKAGES)
            for name, line in imports(path)
            if any(within(name, each) for each in UNWANTED) and (named(path), name) not in WANTED
        ),
        "Data is JSON, TOML or CSV; services speak with PostgreSQL, RabbitMQ and the mail server alone. "
        "If it must be otherwise, say so in docs/security.md first (1.3.6, 1.5.1, 1.5.2, 13.2.4).",
    )


def test_nothing_that_was_text_is_run() -> None:
    runs = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput"}
    runs |= {"asyncio.create_subprocess_shell", "builtins.eval", "builtins.exec"}

    def faults(path: Path) -> Iterator[str]:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                shell = any(each.arg == "shell" for each in node.keywords)
                if called in runs or shell:
                    yield f"{named(path, node.lineno)}: {called}"

    none_of(
        (fault for path in walk(*PACKAGES) for fault in faults(path)),
        "Programs are started with a list of arguments; what a text means is decided by code that is there.",
    )


#: Patterns that are made of something: of what, and that it is a choice of ours.
PATTERNS_MADE_OF = {
    "chassis/sheets/records.py": {"separator"},
    "services/notifications/reading/phrases.py": {"_NAMED"},
}


def test_no_pattern_is_made_of_what_somebody_typed() -> None:
    def faults(path: Path) -> Iterator[str]:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and re.fullmatch(r"re\.\w+", ast.unparse(node.func)):
                pattern = node.args[0]
                made_of = {each.id for each in ast.walk(pattern) if isinstance(each, ast.Name)}
                if made_of - PATTERNS_MADE_OF.get(named(path), set()) - {"re"}:
                    yield f"{named(path, node.lineno)}: {ast.unparse(pattern)[:60]}"

    none_of(
        (fault for path in walk(*PACKAGES) for fault in faults(path)),
        "Compare texts with ==, in or startswith; a pattern that was typed may mean anything, or never end.",
    )


# words


def words(text: str) -> Iterator[tuple[str, int]]:
    """The words of a text, identifiers taken apart, in the singular, each with its line."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", FALSE_FRIENDS.sub(" ", line)):
            word = found.lower()
            yield (word[:-1] if word.endswith("s") and word[:-1] in BUSINESS_WORDS else word), number


def test_the_chassis_knows_no_business_word() -> None:
    files = walk("chassis", suffixes=(".py", ".html", ".css", ".js", ".sql", ".svg"))
    none_of(
        (
            f"{named(path, line)} says “{word}”"
            for path in files
            for word, line in words(path.read_text("utf-8"))
            if word in BUSINESS_WORDS
        ),
        "The chassis must carry any service: say it without the word, or move it to the service it is of.",
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("organisation_id", ["organisation"]),
        ("LetterSent", ["letter"]),
        ("class=grants-table", ["grant"]),
        ("trusted context, contacting nobody, granted", []),
        ("partners.dead is the dead-letter queue", ["partner"]),
        ('x-dead-letter-exchange, "dead_letters", DEAD_LETTERS', []),
        ("GRANT CONNECT ON DATABASE", []),
    ],
)
def test_a_business_word_is_told_from_a_false_friend(text: str, found: list[str]) -> None:
    assert [word for word, _ in words(text) if word in BUSINESS_WORDS] == found


def test_no_module_is_called_after_nothing() -> None:
    forbidden = {"utils", "util", "common", "helpers", "helper", "manager", "base", "data", "misc"}
    none_of(
        (
            named(path)
            for path in walk(*PACKAGES, "tests")
            if forbidden & set(path.with_suffix("").parts[-2:])
        ),
        "Name the module after the noun it is about.",
    )


def test_every_module_says_what_it_is_for() -> None:
    none_of(
        (named(path) for path in walk(*PACKAGES, "tests") if not ast.get_docstring(parsed(path))),
        "Begin with a docstring: the purpose of the module and what it refuses to know.",
    )


# SQL


def test_a_service_keeps_its_sql_in_queries_sql() -> None:
    none_of(
        (
            f"{named(path, line)}: {' '.join(text.split())[:60]}"
            for path in walk("services")
            if "migrations" not in path.parts
            for text, line, _ in texts(path)
            if SQL.search(text)
        ),
        "Give the statement a name in the service's queries.sql and call it by that name.",
    )


def test_no_value_is_put_into_sql_as_text() -> None:
    none_of(
        (
            f"{named(path, line)}: {' '.join(text.split())[:60]}"
            for path in walk(*PACKAGES)
            for text, line, values_put_in in texts(path)
            if values_put_in and SQL.search(text)
        ),
        "Pass values as parameters ($1, or :name in queries.sql).",
    )


def queries(path: Path) -> Iterator[tuple[str, str, int]]:
    """The named statements of a file: name, everything up to the next name, line."""
    text = path.read_text("utf-8")
    starts = list(re.finditer(r"^--\s*name:\s*(\w+)\S*.*\n", text, re.MULTILINE))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    for start, end in zip(starts, ends, strict=False):
        yield start[1], text[start.end() : end], text.count("\n", 0, start.start()) + 1


def query_files() -> Iterator[Path]:
    """Every file of named statements, whatever it is called."""
    return (path for path in walk("services", "chassis", suffixes=(".sql",)) if any(queries(path)))


def test_every_query_is_described() -> None:
    none_of(
        (
            f"{named(path, line)}: {name}"
            for path in query_files()
            for name, statement, line in queries(path)
            if not re.match(r"--\s*\w+", statement)
        ),
        "Put a comment under the name: one sentence saying what the statement answers or changes.",
    )


def test_every_query_is_used() -> None:
    def called_in(modules: Iterable[Path]) -> set[str]:
        nodes = (node for module in modules for node in ast.walk(parsed(module)))
        return {node.attr for node in nodes if isinstance(node, ast.Attribute)}

    # A service hands some of its statements to the chassis, as to chassis/imports.py; those of the chassis
    # are also asked by the modules that run the whole.
    of_chassis = called_in(walk("chassis"))
    called = {service: of_chassis | called_in(walk(f"services/{service}")) for service in SERVICES}
    called["chassis"] = of_chassis | called_in(sorted((ROOT / "services").glob("*.py")))
    none_of(
        (
            f"{named(path, line)}: {name}"
            for path in query_files()
            for name, _, line in queries(path)
            if name not in called[path.parent.name]
        ),
        "Nobody calls these: delete them, or call them.",
    )


def test_queries_are_told_what_time_it_is() -> None:
    clocks = re.compile(
        r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday)\s*\("
        r"|\b(current_date|current_time|current_timestamp|localtime|localtimestamp)\b"
        r"|'(now|today|tomorrow|yesterday)'",
        re.IGNORECASE,
    )
    none_of(
        (
            f"{named(path, number)}: {line.strip()}"
            for path in query_files()
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
            if clocks.search(line.partition("--")[0])
        ),
        "The clock is a parameter: pass the moment that chassis/clock.py tells, so that tests can move it.",
    )


# the house

WRITTEN: tuple[str, ...] = (
    ".py",
    ".sql",
    ".html",
    ".css",
    ".js",
    ".svg",
    ".typ",
    ".json",
    ".yaml",
    ".yml",
    ".toml",
    ".lock",
)
WRITTEN += (".md", ".txt", ".csv", ".cfg", ".ini", ".conf", ".service", ".sh", "")


def test_no_file_names_a_package_registry() -> None:
    hosts = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "yarn" + "pkg.com"]
    hosts += ["crates" + ".io", "ruby" + "gems.org", "proxy.go" + "lang.org", "maven" + ".org"]
    hosts += ["ghcr" + ".io", "quay" + ".io", "docker" + ".io", "index" + "-url http"]
    none_of(
        (
            f"{named(path, number)} names {host}"
            for path in walk(".", suffixes=WRITTEN)
            for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
            for host in hosts
            if host in line
        ),
        "Name packages and versions, never where they come from: each machine has its own configuration.",
    )


def test_nothing_is_left_for_later() -> None:
    notes = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"]) + r")\b")
    none_of(
        (
            f"{named(path, number)}: {line.strip()[:80]}"
            for path in walk(*PACKAGES, "tests", "docs", "deploy", suffixes=set(WRITTEN) - {".csv", ".lock"})
            for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
            if notes.search(line)
        ),
        "Do it now, or write it down where the work is planned.",
    )


def test_examples_hold_no_real_address() -> None:
    addresses = re.compile(r"(?:[\w.+-]@|https?://)((?:[\w-]+\.)+[a-z]{2,})", re.IGNORECASE)
    none_of(
        (
            f"{named(path, number)}: {address}"
            for path in walk("examples", suffixes=WRITTEN)
            for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
            for address in addresses.findall(line)
            if not address.lower().endswith(".example")
        ),
        "Addresses in examples end in .example, so that no mail ever reaches anybody by accident.",
    )

"""``conduit check mail`` beside a name server of the test's own, which says what each case needs."""

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from chassis.config import Settings, SettingsError
from services.checks import Finding
from services.installation import Installation
from services.mail_domain import check_domain
from tests.conftest import EXAMPLES
from tests.journeys.running import conduit

DOMAIN = "forum.example"
KEY = "v=DKIM1; k=rsa; p=MIGfMA0"

#: What a domain says that does everything right, by name and kind of record.
GOOD: Mapping[tuple[str, str], Sequence[str]] = {
    (DOMAIN, "MX"): ["10 mail.forum.example."],
    (DOMAIN, "TXT"): ['"site-verification=1"', '"v=spf1 include:provider.example -all"'],
    (f"s1._domainkey.{DOMAIN}", "TXT"): [f'"{KEY}" "QAB"'],
    (f"_dmarc.{DOMAIN}", "TXT"): [f'"v=DMARC1; p=quarantine; rua=mailto:reports@{DOMAIN}"'],
}


@contextmanager
def name_server(
    records: Mapping[tuple[str, str], Sequence[str]], *, refuses: bool = False, together: int = 1
) -> Iterator[str]:
    """Answers by UDP until the block ends, once it was asked so many questions; its address and port."""
    server = socket.socket(type=socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def answer_to(query: dns.message.Message) -> dns.message.Message:
        (asked,) = query.question
        name, kind = str(asked.name).rstrip("."), dns.rdatatype.to_text(asked.rdtype)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if refuses:
            answer.set_rcode(dns.rcode.REFUSED)
        elif found := records.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(asked.name, 60, "IN", kind, *found))
        elif not any(known == name for known, _ in records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer

    def serve() -> None:
        questions, waiting = set[str](), []
        while (received := server.recvfrom(4096))[0]:
            query = dns.message.from_wire(received[0])
            questions.add(str(query.question))
            waiting.append((query, received[1]))
            if len(questions) >= together:
                for each, whom in waiting:
                    server.sendto(answer_to(each).to_wire(), whom)
                waiting.clear()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.sendto(b"", server.getsockname())
        thread.join()
        server.close()


def findings(home: Path, changes: Mapping[tuple[str, str], Sequence[str]]) -> dict[str, Finding]:
    with name_server({**GOOD, **changes}) as address:
        settings = Settings(home=home, house_file=EXAMPLES / "house.toml", mail_from=f"letters@{DOMAIN}")
        found = check_domain(Installation(replace(settings, name_server=address)), "s1")
    return {each.what: each for each in found}


def test_a_domain_that_does_everything_right(tmp_path: Path) -> None:
    found = findings(tmp_path, {})
    assert [each.good for each in found.values()] == [True] * 4, found
    assert list(found) == [f"answers to {DOMAIN}", "SPF", "DKIM", "DMARC"]


@pytest.mark.parametrize(
    ("what", "record", "said", "says"),
    [
        (f"answers to {DOMAIN}", (DOMAIN, "MX"), [], "Add an MX record"),
        ("SPF", (DOMAIN, "TXT"), [], "none. Add a TXT record to forum.example: v=spf1"),
        ("SPF", (DOMAIN, "TXT"), ['"v=spf1 -all"', '"v=spf1 mx -all"'], "has 2, and with more than one none"),
        ("SPF", (DOMAIN, "TXT"), ['"v=spf1 mx +all"'], "lets everybody send in your name"),
        ("SPF", (DOMAIN, "TXT"), ['"v=spf1 mx all"'], "lets everybody send in your name"),
        ("SPF", (DOMAIN, "TXT"), ['"v=spf1 ip4:192.0.2.1"'], "End it with -all"),
        ("SPF", (DOMAIN, "TXT"), [f'"v=spf1 {"include:a.example " * 11}-all"'], "it takes 11 look-ups"),
        ("DKIM", (f"s1._domainkey.{DOMAIN}", "TXT"), [], f"no key at s1._domainkey.{DOMAIN}"),
        ("DKIM", (f"s1._domainkey.{DOMAIN}", "TXT"), ['"v=DKIM1; p="'], "is withdrawn"),
        ("DMARC", (f"_dmarc.{DOMAIN}", "TXT"), [], f"none at _dmarc.{DOMAIN}. One TXT record: v=DMARC1"),
        (
            "DMARC",
            (f"_dmarc.{DOMAIN}", "TXT"),
            ['"v=DMARC1; p=none"'] * 1 + ['"v=DMARC1; p=reject"'],
            "has 2",
        ),
        ("DMARC", (f"_dmarc.{DOMAIN}", "TXT"), ['"v=DMARC1; sp=reject"'], "has no policy"),
    ],
)
def test_each_fault_is_named_with_its_cure(
    tmp_path: Path, what: str, record: tuple[str, str], said: Sequence[str], says: str
) -> None:
    found = findings(tmp_path, {record: said})
    assert not found[what].good
    assert says in found[what].says
    assert [name for name, each in found.items() if not each.good] == [what]


@pytest.mark.parametrize(
    "spf", ["v=spf1 redirect=_spf.provider.example", "v=spf1 a mx ip4:192.0.2.0/24 ~all"]
)
def test_other_ways_to_do_it_right(tmp_path: Path, spf: str) -> None:
    assert findings(tmp_path, {(DOMAIN, "TXT"): [f'"{spf}"']})["SPF"].good


def test_who_watches_is_not_yet_protected_and_is_told(tmp_path: Path) -> None:
    found = findings(tmp_path, {(f"_dmarc.{DOMAIN}", "TXT"): ['"v=DMARC1; p=none"']})["DMARC"]
    assert (found.good, "Once reports are good: p=quarantine" in found.says) == (True, True)


def test_the_command_says_a_line_for_each_and_what_it_could_not_look_at(tmp_path: Path) -> None:
    with name_server(GOOD) as address:
        variables = {"CONDUIT_MAIL_FROM": f"letters@{DOMAIN}", "CONDUIT_NAME_SERVER": address}
        done = conduit("check", "mail", "--selector", "s1", home=tmp_path, **variables)
        assert (done.returncode, done.stdout.count("ok  ")) == (0, 4), done
        done = conduit("check", "mail", home=tmp_path, **variables)
    assert done.returncode == 0
    assert "note DKIM: not looked at" in done.stdout


def test_name_servers_that_say_nothing_are_a_fault_and_no_finding(tmp_path: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
    settings = Settings(home=tmp_path, mail_from=f"letters@{DOMAIN}", name_server=f"127.0.0.1:{port}")
    found = check_domain(Installation(settings), "s1")
    assert not any(each.good for each in found)
    for each in found:
        assert each.says.startswith(f"the name server 127.0.0.1:{port} does not answer on ")
        assert "in time. Is the network up" in each.says
        assert "CONDUIT_NAME_SERVER=" in each.says


def test_a_name_server_that_refuses_is_named_with_what_to_do(tmp_path: Path) -> None:
    with name_server(GOOD, refuses=True) as address:
        settings = Settings(home=tmp_path, mail_from=f"letters@{DOMAIN}", name_server=address)
        [mx, *_] = check_domain(Installation(settings), "s1")
    assert mx.says.startswith(
        f"the name server {address} says nothing of use on {DOMAIN} (NoNameservers). Ask"
    )


def test_all_records_are_asked_for_together(tmp_path: Path) -> None:
    """Of a server that answers nobody before it was asked all four."""
    with name_server(GOOD, together=4) as address:
        settings = Settings(home=tmp_path, mail_from=f"letters@{DOMAIN}", name_server=address)
        found = check_domain(Installation(settings), "s1")
    assert [each.good for each in found] == [True] * 4, found


def test_a_name_server_is_an_address_and_a_port() -> None:
    with pytest.raises(SettingsError, match="NAME_SERVER"):
        Settings.load({"CONDUIT_NAME_SERVER": "dns.example"})

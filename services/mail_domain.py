"""``conduit check mail``: does the sending domain say that its letters are its own?

SPF (RFC 7208) names the servers that may send, DKIM (RFC 6376) signs what they send, and DMARC (RFC 7489)
says what becomes of mail that neither proves. Large receivers refuse or hide mail of a domain without them.
"""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import dns.exception
import dns.resolver

from chassis.config import PREFIX, Settings
from chassis.errors import ChassisError
from services.checks import Finding, Noted, attempt
from services.installation import Installation

#: Seconds for a question to the name servers, tries with all of them together; and for one try with one.
_PATIENCE, _ONE_TRY = 4.0, 1.5

_ANOTHER = f"or name another one: {PREFIX}NAME_SERVER=10.0.0.1:53"

#: Terms of SPF that cost a look-up each, of which there may be ten (RFC 7208, section 4.6.4).
_LOOKUPS = {"include", "a", "mx", "ptr", "exists", "redirect"}
_MOST_LOOKUPS = 10
#: What ends the name of a term.
_TERM = re.compile("[:/=]")


@dataclass(frozen=True)
class Names:
    """Answers of the domain name system."""

    resolver: dns.resolver.Resolver

    def texts(self, name: str) -> list[str]:
        """The TXT records of a name, none when there is no such name.

        Raises:
            ChassisError: when nobody answers.
        """
        return [b"".join(answer.strings).decode("ascii", "replace") for answer in self._ask(name, "TXT")]

    def exchangers(self, name: str) -> list[str]:
        """Who takes mail for a name."""
        return [str(answer.exchange).rstrip(".") for answer in self._ask(name, "MX")]

    def _ask(self, name: str, kind: str) -> Sequence[Any]:
        try:
            return list(self.resolver.resolve(name, kind, lifetime=_PATIENCE))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.exception.Timeout:
            cure = f"Is the network up, and do they let UDP through? Wait, {_ANOTHER}"
            raise ChassisError(f"{self._servers} does not answer on {name} in time. {cure}") from None
        except dns.exception.DNSException as error:
            cure = f"Ask whoever looks after it, {_ANOTHER}"
            raise ChassisError(
                f"{self._servers} says nothing of use on {name} ({type(error).__name__}). {cure}"
            ) from None

    @property
    def _servers(self) -> str:
        where = [f"{server}:{self.resolver.port}" for server in self.resolver.nameservers]
        return f"the name server {where[0]}" if len(where) == 1 else f"none of {', '.join(where)}"


def names_of(settings: Settings) -> Names:
    """The name servers of this computer, or the one that the settings name.

    Raises:
        ChassisError: when there is none.
    """
    host, _, port = settings.name_server.rpartition(":")
    try:
        resolver = dns.resolver.Resolver(configure=not host)
    except dns.resolver.NoResolverConfiguration:
        cure = f"Write one there, {_ANOTHER}"
        raise ChassisError(f"This computer has no name server in /etc/resolv.conf. {cure}") from None
    if host:
        resolver.nameservers, resolver.port = [host], int(port)
    resolver.timeout = _ONE_TRY
    return Names(resolver)


def check_domain(installation: Installation, selector: str) -> list[Finding]:
    """What the domain that letters come from says of them.

    Args:
        selector: under which the mail server's key stands; its operator knows it. Nobody can look at DKIM
            without it, which is said and is no fault of the domain.
    """
    settings = installation.settings
    domain = (settings.mail_from or installation.house().email).rpartition("@")[2].lower()
    names = names_of(settings)
    looks: dict[str, Callable[[], str]] = {
        f"answers to {domain}": partial(_exchangers, domain, names),
        "SPF": partial(_spf, domain, names),
        "DKIM": partial(_dkim, domain, selector, names),
        "DMARC": partial(_dmarc, domain, names),
    }
    with ThreadPoolExecutor(len(looks)) as threads:  # a server that does not answer is waited for once
        return [*threads.map(attempt, looks.keys(), looks.values())]


def _exchangers(domain: str, names: Names) -> str:
    found = names.exchangers(domain)
    if not found:
        raise ChassisError(f"nobody takes mail for {domain}: answers and bounces are lost. Add an MX record.")
    return f"taken by {', '.join(sorted(found))}"


def _spf(domain: str, names: Names) -> str:
    found = [text for text in names.texts(domain) if text.lower().split(" ")[0] == "v=spf1"]
    if not found:
        raise ChassisError(
            f"none. Add a TXT record to {domain}: v=spf1 include:THE SERVERS OF YOUR MAIL PROVIDER -all"
        )
    if len(found) > 1:
        raise ChassisError(
            f"{domain} has {len(found)}, and with more than one none counts. Make one of them."
        )
    terms = found[0].lower().split()[1:]
    if {"all", "+all"} & set(terms):
        raise ChassisError("it lets everybody send in your name. End it with -all, or ~all for a beginning.")
    named = [_TERM.split(term.lstrip("+-~?"))[0] for term in terms]
    if not {"-all", "~all"} & set(terms) and "redirect" not in named:
        raise ChassisError("it says nothing of servers that it does not name. End it with -all.")
    if (count := sum(name in _LOOKUPS for name in named)) > _MOST_LOOKUPS:
        raise ChassisError(f"it takes {count} look-ups; more than {_MOST_LOOKUPS} make it void. Shorten it.")
    return f"{found[0]}. Whether your mail server is one of those, its operator knows"


def _dkim(domain: str, selector: str, names: Names) -> str:
    if not selector:
        raise Noted(
            "not looked at: under which selector does your mail server's key stand? "
            "conduit check mail --selector NAME"
        )
    name = f"{selector}._domainkey.{domain}"
    keys = [tags for tags in map(_tags, names.texts(name)) if "p" in tags]
    if not keys:
        raise ChassisError(
            f"no key at {name}. Let your mail server sign, and add the record that it gives you."
        )
    if not any(tags["p"] for tags in keys):
        raise ChassisError(f"the key at {name} is withdrawn: its p= is empty. Add the present one.")
    return f"a key at {name}"


def _dmarc(domain: str, names: Names) -> str:
    name = f"_dmarc.{domain}"
    found = [tags for tags in map(_tags, names.texts(name)) if tags.get("v", "").lower() == "dmarc1"]
    if len(found) != 1:
        many = f"{name} has {len(found)}, and only one counts" if found else f"none at {name}"
        raise ChassisError(f"{many}. One TXT record: v=DMARC1; p=quarantine; rua=mailto:reports@{domain}")
    policy = found[0].get("p", "").lower()
    if policy not in ("none", "quarantine", "reject"):
        raise ChassisError(f"{name} has no policy. Give it p=quarantine.")
    if policy == "none":
        return "p=none: mail in your name that is not yours is delivered. Once reports are good: p=quarantine"
    return f"p={policy}"


def _tags(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {name.strip().lower(): "".join(value.split()) for name, _, value in pairs}

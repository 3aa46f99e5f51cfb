"""Binding: several PDFs of typst's become one, tags and all, without being in memory together.

What typst writes is simple: one table of references at the end, no packed objects, one tree of pages and one
of tags. Its objects are copied as they are under new numbers; the two trees are joined at their roots.
Nothing here knows what is printed, and nothing here reads a PDF that somebody else has made.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

_CATALOG, _PAGES, _TAGS = 1, 2, 3
_FIRST = 4

_REFERENCE = re.compile(rb"\b(\d+) 0 R\b")
_TAG_KEY = re.compile(rb"(/StructParents?) (\d+)")
_SIGNS = re.compile(rb"\\.|[()]", re.DOTALL)
_TAG_ROOT = re.compile(rb"/K\[([^\]]*)\]/ParentTree<</Nums\[(.*)\]>>/ParentTreeNextKey (\d+)", re.DOTALL)
_ROLE = re.compile(rb"/(\w+)/(\w+)")
_END = re.compile(rb"trailer\n(.*)\nstartxref\n(\d+)\n%%EOF\s*\Z", re.DOTALL)
_ROOT_OF, _INFO_OF = re.compile(rb"/Root (\d+) 0 R"), re.compile(rb"/Info (\d+) 0 R")
_PAGES_OF, _TAGS_OF = re.compile(rb"/Pages (\d+) 0 R"), re.compile(rb"/StructTreeRoot (\d+) 0 R")
_COUNT, _ID = re.compile(rb"/Count (\d+)"), re.compile(rb"/ID\[.*\]", re.DOTALL)


class Unbindable(ValueError):
    """typst writes its PDFs in another way than before."""


@dataclass(frozen=True)
class _Source:
    """One PDF, taken apart: its objects by number, and those that everything hangs on."""

    objects: dict[int, bytes]
    root: int
    info: int
    id: bytes


def _found(pattern: re.Pattern[bytes], text: bytes) -> re.Match[bytes]:
    found = pattern.search(text)
    if found is None:
        raise Unbindable
    return found


def _read(pdf: bytes) -> _Source:
    end = _found(_END, pdf)
    table = pdf[int(end[2]) : end.start()]
    entries = re.findall(rb"(\d{10}) \d{5} ([nf])", table)
    starts = {number: int(place) for number, (place, use) in enumerate(entries) if use == b"n"}
    order = sorted(starts, key=starts.__getitem__)
    ends = [starts[number] for number in order[1:]] + [int(end[2])]
    objects = {}
    for number, stop in zip(order, ends, strict=True):
        text = pdf[starts[number] : stop].rstrip()
        head = b"%d 0 obj\n" % number
        if not (text.startswith(head) and text.endswith(b"\nendobj")):
            raise Unbindable
        objects[number] = text[len(head) : -len(b"\nendobj")]
    trailer = end[1]
    root, info = (int(_found(pattern, trailer)[1]) for pattern in (_ROOT_OF, _INFO_OF))
    return _Source(objects, root, info, _found(_ID, trailer)[0])


def _plain(text: bytes) -> Iterator[tuple[bool, bytes]]:
    """The text in pieces, each with whether it stands outside of strings, which may hold anything."""
    depth = start = 0
    for sign in _SIGNS.finditer(text):
        if sign[0] == b"(":
            if depth == 0:
                yield True, text[start : sign.start()]
                start = sign.start()
            depth += 1
        elif sign[0] == b")" and depth:
            depth -= 1
            if depth == 0:
                yield False, text[start : sign.end()]
                start = sign.end()
    yield True, text[start:]


@dataclass
class Binder:
    """Writes one PDF out of several, each forgotten once it is written. The first gives the title."""

    out: BinaryIO
    #: Of all that were added.
    pages: int = 0
    _places: dict[int, int] = field(default_factory=dict)
    _next: int = _FIRST
    _keys: int = 0
    _kids: list[bytes] = field(default_factory=list)
    _tags: list[bytes] = field(default_factory=list)
    _parents: list[bytes] = field(default_factory=list)
    _roles: dict[bytes, bytes] = field(default_factory=dict)
    _catalog: bytes = b""
    _trailer: bytes = b""

    def add(self, pdf: bytes) -> int:
        """Append one of typst's. How many pages it has.

        Raises:
            Unbindable: when it is not as typst writes them.
        """
        source = _read(pdf)
        catalog = source.objects[source.root]
        pages, tags = (int(_found(pattern, catalog)[1]) for pattern in (_PAGES_OF, _TAGS_OF))
        renumbered = self._renumbering({tags: _TAGS, pages: self._next + pages})
        tag_root = _TAG_ROOT.search(source.objects[tags])
        if tag_root is None:
            raise Unbindable
        if not self._places:
            self.out.write(b"%PDF-1.7\n%\x80\x80\x80\x80\n")
            self._begin(source, renumbered)
        for number, text in source.objects.items():
            if number not in (source.root, tags) and (number != source.info or not self._kids):
                self._write(self._next + number, self._moved(number, text, pages, renumbered))
        self._kids.append(b"%d 0 R" % (self._next + pages))
        self._tags.append(renumbered(tag_root[1]))
        self._parents.append(_keys_moved(renumbered(tag_root[2]), self._keys))
        self._roles |= dict(
            _ROLE.findall(source.objects[tags].partition(b"/RoleMap<<")[2].partition(b">>")[0])
        )
        count = int(_found(_COUNT, source.objects[pages])[1])
        self.pages += count
        self._next += max(source.objects) + 1
        self._keys += int(tag_root[3])
        return count

    def _renumbering(self, fixed: dict[int, int]) -> Callable[[bytes], bytes]:
        first, keys = self._next, self._keys

        def reference(found: re.Match[bytes]) -> bytes:
            number = int(found[1])
            return b"%d 0 R" % fixed.get(number, first + number)

        def renumbered(text: bytes) -> bytes:
            text = _REFERENCE.sub(reference, text)
            return _TAG_KEY.sub(lambda found: b"%s %d" % (found[1], int(found[2]) + keys), text)

        return renumbered

    def _begin(self, source: _Source, renumbered: Callable[[bytes], bytes]) -> None:
        """What the whole has of its first part: title, language, and what it says of itself."""
        catalog = re.sub(rb"/(Pages|StructTreeRoot) \d+ 0 R", b"", source.objects[source.root])
        moved = b"".join(renumbered(text) if plain else text for plain, text in _plain(catalog))
        self._catalog = moved.removesuffix(b">>") + b"/Pages %d 0 R/StructTreeRoot %d 0 R>>" % (_PAGES, _TAGS)
        self._trailer = b"/Info %d 0 R%s" % (self._next + source.info, source.id)

    def _moved(self, number: int, text: bytes, pages: int, renumbered: Callable[[bytes], bytes]) -> bytes:
        head, stream = text, b""
        if text.endswith(b"endstream"):
            head, sign, rest = text.partition(b"stream\n")
            stream = sign + rest
        moved = b"".join(renumbered(piece) if plain else piece for plain, piece in _plain(head))
        if number == pages:
            moved = moved.removesuffix(b">>") + b"/Parent %d 0 R>>" % _PAGES
        return moved + stream

    def _write(self, number: int, text: bytes) -> None:
        self._places[number] = self.out.tell()
        self.out.write(b"%d 0 obj\n%s\nendobj\n\n" % (number, text))

    def close(self) -> None:
        """Write what holds the parts together."""
        roles = b"".join(b"/%s/%s" % pair for pair in self._roles.items())
        self._write(_CATALOG, self._catalog)
        kids = b" ".join(self._kids)
        self._write(_PAGES, b"<</Type/Pages/Count %d/Kids[%s]>>" % (self.pages, kids))
        parts = (roles, b" ".join(self._tags), b" ".join(self._parents), self._keys)
        root = b"<</Type/StructTreeRoot/RoleMap<<%s>>/K[%s]/ParentTree<</Nums[%s]>>/ParentTreeNextKey %d>>"
        self._write(_TAGS, root % parts)
        place = self.out.tell()
        self.out.write(b"xref\n0 %d\n" % self._next)
        free = b"0000000000 65535 f\r\n"
        for number in range(self._next):
            known = self._places.get(number)
            self.out.write(free if known is None else b"%010d 00000 n\r\n" % known)
        end = b"trailer\n<</Size %d/Root %d 0 R%s>>\nstartxref\n%d\n%%%%EOF"
        self.out.write(end % (self._next, _CATALOG, self._trailer, place))


def _keys_moved(numbers: bytes, by: int) -> bytes:
    """The keys of a tree of numbers, whose values are references, moved up."""
    pairs = re.findall(rb"(\d+) (\d+ 0 R)", numbers)
    return b" ".join(b"%d %s" % (int(key) + by, value) for key, value in pairs)

"""Cut an SQL statement into its words, quoted identifiers and signs, as PostgreSQL does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from audittrail.exceptions import TimeTravelError

#: What PostgreSQL keeps of an identifier.
NAME_BYTES: Final = 63

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*)
    | (?P<comment>/\*)
    | (?P<value>%s(?:\s*,\s*%s)*                                # what a driver puts in, lists of it as one
        | %%|%\(\w+\)s|%b|%t
        | [eE]'(?:[^'\\]|\\.|'')*' | (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*'
        | \$\$.*?\$\$ | \$(?P<tag>[A-Za-z_\x80-\U0010ffff]\w*)\$.*?\$(?P=tag)\$
        | \d[\w.]* | \$\d+)
    | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*")
    | (?P<word>[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*)
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(slots=True)
class Token:
    """A word, quoted identifier, value or sign, and where it stands; `says` is a word in capitals, or a sign."""

    text: str
    kind: str
    start: int
    end: int
    says: str

    @property
    def is_name(self) -> bool:
        """Whether it can be the name of a table."""
        return self.kind in ("word", "quoted")

    @property
    def name(self) -> str:
        """The identifier as PostgreSQL reads it.

        Raises `TimeTravelError` for one with Unicode escapes.
        """
        if self.kind == "word":
            return cut(self.text.lower())
        if self.text[0] != '"':
            raise TimeTravelError(
                f"{self.text} is written with Unicode escapes, which time travel can't read. Write the letters themselves."
            )
        return cut(self.text[1:-1].replace('""', '"'))


def cut(name: str) -> str:
    """Return an identifier cut to the length that PostgreSQL keeps."""
    encoded = name.encode()
    return name if len(encoded) <= NAME_BYTES else encoded[:NAME_BYTES].decode(errors="ignore")


def tokens_of(statement: str) -> list[Token]:
    """Return the tokens of a statement, without white space and comments."""
    tokens: list[Token] = []
    position, length = 0, len(statement)
    while position < length:
        match = _TOKEN.match(statement, position)
        assert match is not None
        kind = match.lastgroup
        end = match.end()
        if kind == "comment":
            end = _end_of_comment(statement, position)
        elif kind != "space":
            if kind not in ("word", "quoted", "sign"):
                kind = "value"
            text = match.group()
            says = text.upper() if kind == "word" else text if kind == "sign" else ""
            tokens.append(Token(text, kind, position, end, says))
        position = end
    return tokens


def _end_of_comment(statement: str, start: int) -> int:
    depth, position = 1, start + 2
    while depth and position < len(statement):
        if statement.startswith("/*", position):
            depth, position = depth + 1, position + 2
        elif statement.startswith("*/", position):
            depth, position = depth - 1, position + 2
        else:
            position += 1
    return position

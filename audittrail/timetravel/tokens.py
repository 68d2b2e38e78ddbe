"""Cut an SQL statement into its words, quoted identifiers and signs, as PostgreSQL does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from audittrail.exceptions import TimeTravelError

#: What PostgreSQL keeps of an identifier.
NAME_BYTES: Final = 63

#: PostgreSQL's white space. Python's `\\s` means more: PostgreSQL takes a no-break space for a letter.
_SPACE: Final = r"[ \t\n\r\f\v]"
_COMMENT: Final = r"--[^\n\r]*"
#: Letters are ASCII's, and whatever is not ASCII.
_LETTER: Final = r"A-Za-z_\x80-\U0010ffff"
#: What may stand between two parts of one string.
_CONTINUED: Final = rf"(?:[ \t\f\v]|{_COMMENT})*[\n\r](?:{_SPACE}|{_COMMENT}[\n\r])*"
_ESCAPED: Final = r"'(?:[^'\\]|\\.|'')*'"
_PLAIN: Final = r"'(?:[^']|'')*'"

_PATTERN: Final = rf"""
      (?P<space>{_SPACE}+|{_COMMENT})
    | (?P<comment>/\*)
    | (?P<value>%s(?:\s*,\s*%s)*                                # what a driver puts in, lists of it as one
        | %%|%\(\w+\)s|%b|%t
        | [eE]{_ESCAPED}(?:{_CONTINUED}{_ESCAPED})*
        | (?:[bBxX]|[uU]&)'(?:[^']|'')*'
        | [nN]?STRING
        | \$\$.*?\$\$ | \$(?P<tag>[{_LETTER}][{_LETTER}0-9]*)\$.*?\$(?P=tag)\$
        | 0[xX](?:_?[0-9A-Fa-f])+ | 0[oO](?:_?[0-7])+ | 0[bB](?:_?[01])+
        | (?:\d(?:_?\d)*(?:\.(?!\.)(?:\d(?:_?\d)*)?)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d(?:_?\d)*)?
        | \$\d+)
    | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*")
    | (?P<word>[{_LETTER}][{_LETTER}0-9$]*)
    | (?P<sign>.)
    """

#: By whether a backslash escapes in plain strings, which it does if `standard_conforming_strings` is off.
_TOKEN: Final = {
    escapes: re.compile(
        _PATTERN.replace("STRING", f"{string}(?:{_CONTINUED}{string})*"), re.VERBOSE | re.DOTALL
    )
    for escapes, string in ((False, _PLAIN), (True, _ESCAPED))
}

#: A quoted identifier with Unicode escapes, and what stands behind UESCAPE.
_WITH_ESCAPES: Final = re.compile(r'[uU]&"((?:[^"]|"")*)"(?: UESCAPE (.*))?', re.DOTALL)
#: PostgreSQL has no character beyond this one.
_LAST_CHARACTER: Final = 0x10FFFF

_UPPER: Final = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


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

        Raises `TimeTravelError` for one with UESCAPE and something else than a character in single quotes.
        """
        if self.kind == "word":
            # PostgreSQL makes small letters of ASCII's alone.
            return cut(self.text.translate(_UPPER))
        if self.text[0] != '"':
            return cut(_unescaped(self.text))
        return cut(self.text[1:-1].replace('""', '"'))


def cut(name: str) -> str:
    """Return an identifier cut to the length that PostgreSQL keeps."""
    encoded = name.encode()
    return name if len(encoded) <= NAME_BYTES else encoded[:NAME_BYTES].decode(errors="ignore")


def _unescaped(text: str) -> str:
    """Return the name that a quoted identifier with Unicode escapes gives; takes it with its UESCAPE clause, if there is one."""
    match = _WITH_ESCAPES.fullmatch(text)
    assert match is not None
    content, given = match.groups(default="'\\'")
    if not re.fullmatch(r"'[^0-9A-Fa-f+'\"\s]'", given):
        raise TimeTravelError(
            f"{text} gives its escape character as {given}, which can't be read in a query of the past. Write a single character "
            "in single quotes behind UESCAPE, or the identifier without Unicode escapes."
        )
    escape = re.escape(given[1])

    def character(found: re.Match[str]) -> str:
        code = found[1] or found[2]
        return chr(min(int(code, 16), _LAST_CHARACTER)) if code else given[1]

    name = re.sub(
        rf"{escape}(?:([0-9A-Fa-f]{{4}})|\+([0-9A-Fa-f]{{6}})|{escape})",
        character,
        content.replace('""', '"'),
    )
    # Two escapes may give the halves of one character.
    return name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def tokens_of(statement: str, escapes: bool = False) -> list[Token]:
    """Return the tokens of a statement, without white space and comments.

    Takes whether a backslash escapes in plain strings too, as it does without `standard_conforming_strings`.
    """
    tokens: list[Token] = []
    pattern = _TOKEN[escapes]
    position, length = 0, len(statement)
    while position < length:
        match = pattern.match(statement, position)
        assert match is not None
        kind = match.lastgroup
        end = match.end()
        if kind == "comment":
            end = _end_of_comment(statement, position)
        elif kind != "space":
            if kind not in ("word", "quoted", "sign"):
                kind = "value"
            text = match.group()
            if kind == "value" and len(tokens) > 1 and tokens[-1].says == "UESCAPE":
                escaped = tokens[-2]
                if escaped.text[0] in "uU" and escaped.kind == "quoted":
                    # The three are one identifier.
                    tokens[-2:] = []
                    text, kind, position = f"{escaped.text} UESCAPE {text}", "quoted", escaped.start
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

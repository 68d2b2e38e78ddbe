"""`manage.py audittrail ledger`: digests of history, and whether history still is what they say."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError

from audittrail.ledger import digests, entering, proving, signing, verifying
from audittrail.ledger.digests import Digest
from audittrail.ledger.findings import Report
from audittrail.management.arguments import add_common_options
from audittrail.management.call import Call
from audittrail.management.lines import entered_line
from audittrail.revisions.wording import counted, spelled, unreadable

HELP: Final = "Makes digests of history, and shows when history was changed behind its back."


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the sub-commands and their arguments."""
    commands = parser.add_subparsers(dest="ledger", required=True, metavar="COMMAND")

    digest = commands.add_parser("digest", help="enter what is settled, and write a digest as JSON")
    digest.add_argument("file", nargs="?", help="where to write it (default: standard output)")
    digest.add_argument(
        "--leaves",
        action="store_true",
        help="with the hash of each revision, so that each can be named later",
    )
    digest.add_argument("--since", metavar="FILE", help="prove that it extends this older digest")
    digest.add_argument(
        "--key-file", metavar="FILE", help="sign with this key instead of AUDITTRAIL_LEDGER_KEY"
    )

    verify = commands.add_parser(
        "verify", help="recompute from history; exits with 1 if it differs"
    )
    verify.add_argument(
        "--against", nargs="+", default=[], metavar="FILE", help="digests that were kept"
    )
    verify.add_argument("--public-key", metavar="HEX", help="the key that must have signed them")
    verify.add_argument("--json", action="store_true", help="write what was found as JSON")

    prove = commands.add_parser("prove", help="write the proof that a revision is in a digest")
    prove.add_argument("revision", type=int, help="the number of the revision")
    prove.add_argument("--against", required=True, metavar="FILE", help="the digest")
    prove.add_argument(
        "--output", metavar="FILE", help="where to write it (default: standard output)"
    )
    prove.add_argument("--rows", action="store_true", help="with what the revision changed")

    commands.add_parser(
        "enter", help="enter what is settled, as maintain does once a digest was made"
    )
    commands.add_parser("key", help="make a key to sign with, and print it with its public key")
    for command in commands.choices.values():
        add_common_options(command)


def run(call: Call) -> None:
    """Run the sub-command that was asked for."""
    {"digest": _digest, "verify": _verify, "prove": _prove, "enter": _enter, "key": _key}[
        call.options["ledger"]
    ](call)


def _digest(call: Call) -> None:
    call.require_owner()
    since = call.options["since"]
    statement = digests.make(
        call.connection.alias,
        every_leaf=call.options["leaves"],
        since=None if since is None else digests.read(since),
        key_file=call.options["key_file"],
    )
    _write(call, statement, call.options["file"])


def _write(call: Call, statement: dict[str, Any], file: str | None) -> None:
    text = json.dumps(statement, indent=1)
    if file is None:
        call.write(text)
        return
    try:
        Path(file).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file!r} can't be written: {unreadable(error)}.") from error
    if call.verbosity:
        size = counted(statement["size"], "revision")
        call.write(f"{file}: {size}" if "root" in statement else file)


def _verify(call: Call) -> None:
    key = call.options["public_key"]
    against = [digests.read(path, key) for path in call.options["against"]]
    report = verifying.verify(call.connection.alias, against=against)
    if call.options["json"]:
        call.write(json.dumps(report.as_json(), indent=1))
    else:
        _tell(call, report, against)
    if not report.is_clean:
        raise CommandError(
            "History is not what it was; see above."
            if against or report.size
            else "The server code is not what it was; see above.",
            returncode=1,
        )


def _tell(call: Call, report: Report, against: list[Digest]) -> None:
    for finding in report.findings:
        call.write(str(finding), error=True)
    for told in (*report.erasures, *report.renamed):
        call.write(str(told))
    for digest in report.digests:
        verb = "agrees" if digest.agrees else "does NOT agree"
        call.write(
            f"The digest of {digest.time} ({digest.source}, {counted(digest.size, 'revision')}) {verb}."
        )
    if not report.size:
        call.write(
            "Nothing is entered in the ledger yet; manage.py audittrail ledger digest begins it."
        )
        return
    if not against:
        call.write(
            "Without a digest that was kept elsewhere (--against) this shows only that history agrees with the ledger beside it."
        )
    if report.is_clean:
        when = f" ({spelled(report.through_at)})" if report.through_at else ""
        verb = "is what it was" if report.size == 1 else "are what they were"
        call.write(f"{counted(report.size, 'revision')}, through {report.through}{when}, {verb}.")
        if against and report.beyond:
            verb = "is" if report.beyond == 1 else "are"
            later = counted(report.beyond, "later revision")
            call.write(f"{later} {verb} in none of these digests.")


def _prove(call: Call) -> None:
    digest = digests.read(call.options["against"])
    proof = proving.prove(
        call.options["revision"], digest, call.connection.alias, with_rows=call.options["rows"]
    )
    _write(call, proof, call.options["output"])


def _enter(call: Call) -> None:
    call.require_owner()
    entering.begin(call.connection.alias)
    call.write(entered_line(entering.enter(call.connection.alias).size))


def _key(call: Call) -> None:
    private, public = signing.new_key()
    call.write(f"AUDITTRAIL_LEDGER_KEY: {private}\npublic key: {public}")

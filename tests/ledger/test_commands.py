"""`manage.py audittrail ledger`: digests, signatures, proofs, and what verification says and exits with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoDbBlocker

from audittrail.ledger import check_proof
from tests.ledger.scene import ALIAS, Scene


class Place:
    """A scene, and the command on it."""

    def __init__(self, scene: Scene, directory: Path) -> None:
        self.scene = scene
        self.directory = directory

    def path(self, name: str) -> str:
        return str(self.directory / name)

    def read(self, name: str) -> Any:
        return json.loads((self.directory / name).read_text())

    def ledger(self, *arguments: str) -> str:
        """Run the command, and return what it prints; what it fails with last."""
        output = StringIO()
        try:
            call_command("audittrail", "ledger", "--database", ALIAS, *arguments, stdout=output)
        except CommandError as error:
            output.write(f"CommandError({error.returncode}): {error}\n")
        return output.getvalue()

    def check(self, *arguments: str) -> tuple[int, str]:
        """Run the script that stands alone, without what is installed here."""
        command = [sys.executable, "-I", "-W", "error", check_proof.__file__, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def place(
    fresh_database: Callable[[], Any], django_db_blocker: DjangoDbBlocker, tmp_path: Path
) -> Iterator[Place]:
    with fresh_database() as database, django_db_blocker.unblock():
        scene = Scene(database.server, database.name)
        scene.begin()
        with scene.attached():
            yield Place(scene, tmp_path)


@pytest.fixture
def keys(place: Place, settings: Any) -> str:
    """Sign with a new key; gives the public one."""
    private, public = (line.split()[-1] for line in place.ledger("key").splitlines())
    settings.AUDITTRAIL_LEDGER_KEY = private
    return public


def test_nothing_is_stored_before_the_first_digest(place: Place) -> None:
    call_command("audittrail", "maintain", database=ALIAS, stdout=StringIO())
    assert place.scene.value("SELECT count(*) FROM audittrail.ledger_entry") == 0
    assert "Nothing is entered in the ledger yet" in place.ledger("verify")


def test_a_digest_goes_to_standard_output(place: Place) -> None:
    statement = json.loads(place.ledger("digest"))
    assert statement["size"] == place.scene.value("SELECT count(*) FROM audittrail.revision")
    assert len(statement["segments"]) == statement["size"]
    assert "signature" not in statement


def test_maintain_enters_what_came_since(place: Place) -> None:
    place.ledger("digest", place.path("one.json"))
    place.scene.run("UPDATE shop SET total = 1")
    output = StringIO()
    call_command("audittrail", "maintain", database=ALIAS, stdout=output)
    size = place.read("one.json")["size"] + 1
    assert f"{size} revisions are entered in the ledger." in output.getvalue()
    found = place.ledger("verify", "--against", place.path("one.json"))
    assert "1 later revision is in none of these digests." in found


def test_one_revision_is_told_of_as_one(fresh_database, django_db_blocker) -> None:
    with fresh_database() as database, django_db_blocker.unblock():
        scene = Scene(database.server, database.name)
        scene.run(
            "CREATE TABLE person (id int PRIMARY KEY)",
            "SELECT audittrail.track('person')",
            "INSERT INTO person VALUES (1)",
        )
        with scene.attached():
            output = StringIO()
            call_command("audittrail", "ledger", "enter", database=ALIAS, stdout=output)
            call_command("audittrail", "maintain", database=ALIAS, stdout=output)
    assert output.getvalue().count("1 revision is entered in the ledger.") == 2


def test_djangos_options_are_taken_after_the_names_of_commands(place: Place) -> None:
    file = place.path("one.json")
    assert place.ledger("digest", file, "--verbosity", "0", "--no-color") == ""
    assert place.ledger("digest", file, "-v", "1", "--database", ALIAS, "--traceback") != ""
    for arguments in (["status", "-v", "0"], ["verify", "--no-color", "--verbosity", "0"]):
        call_command("audittrail", *arguments, "--database", ALIAS, stdout=StringIO())


def test_what_agrees_and_what_does_not(place: Place) -> None:
    place.ledger("digest", place.path("one.json"))
    place.scene.run("UPDATE shop SET total = 1")
    place.ledger("digest", place.path("two.json"))
    both = ("--against", place.path("one.json"), place.path("two.json"))
    found = place.ledger("verify", *both)
    assert found.count(" agrees.") == 2
    assert "are what they were." in found
    place.scene.run(
        "ALTER TABLE audittrail.revision DISABLE TRIGGER USER",
        "UPDATE audittrail.revision SET committed_by = 8 WHERE reason = 'Moved'",
    )
    place.scene.rebuild()
    found = place.ledger("verify", *both)
    assert found.count("does NOT agree.") == 2
    assert "Trigger guard on audittrail.revision is disabled" in found
    assert "CommandError(1): History is not what it was; see above." in found
    report = json.loads(place.ledger("verify", "--json", *both).partition("CommandError")[0])
    moved = place.scene.value("SELECT id FROM audittrail.revision WHERE reason = 'Moved'")
    assert not report["clean"]
    assert {"revision changed"} == {f["kind"] for f in report["findings"] if f["revision"] == moved}


def test_a_verified_digest_is_noted(place: Place) -> None:
    place.ledger("digest", place.path("one.json"))
    assert place.scene.value("SELECT verified_at FROM audittrail.digest") is None
    place.ledger("verify", "--against", place.path("one.json"))
    assert place.scene.value("SELECT verified_at FROM audittrail.digest") is not None


def test_signed_digests_and_proofs_hold_without_a_database(place: Place, keys: str) -> None:
    place.ledger("digest", place.path("one.json"))
    place.scene.run("UPDATE shop SET total = 1 WHERE id = 1")
    place.ledger("digest", place.path("two.json"), "--since", place.path("one.json"))
    one, two, proof = place.path("one.json"), place.path("two.json"), place.path("proof.json")
    assert place.check(two, "--since", one, "--key", keys)[0] == 0
    revision = str(place.scene.value("SELECT max(id) FROM audittrail.revision"))
    place.ledger("prove", revision, "--against", two, "--rows", "--output", proof)
    code, told = place.check(proof, "--digest", two, "--key", keys)
    assert (code, told.splitlines()[-1]) == (0, "Everything holds.")
    assert "(1,Bakery" in told or "Corner Bakery" in told
    assert "signed with the given key" in told
    assert place.ledger("verify", "--public-key", keys, "--against", one, two).count("agrees.") == 2
    # Of another tree, by another key, or altered, it proves nothing.
    assert place.check(proof, "--digest", one)[0] == 1
    assert "NOT PROVEN" in place.check(two, "--key", "0" * 64)[1]
    statement = place.read("two.json")
    statement["time"] = "2020-01-01T00:00:00+00:00"
    Path(one).write_text(json.dumps(statement))
    assert place.check(one, "--key", keys) == (1, "NOT PROVEN: The digest's signature is wrong.\n")
    assert "signature is wrong" in place.ledger("verify", "--against", one)


@pytest.mark.parametrize("name", ["leaf", "content", "lines", "path"])
def test_an_altered_proof_proves_nothing(place: Place, name: str) -> None:
    place.ledger("digest", place.path("one.json"))
    revision = str(place.scene.value("SELECT max(id) FROM audittrail.revision"))
    proof = place.path("proof.json")
    place.ledger(
        "prove", revision, "--against", place.path("one.json"), "--rows", "--output", proof
    )
    altered = place.read("proof.json")
    if name == "leaf":
        altered["leaf"] = altered["leaf"].replace(revision, str(int(revision) + 1))
    elif name == "content":
        altered["content"]["text"] = altered["content"]["text"].replace("Last", "Lost")
    elif name == "lines":
        altered["lines"] = altered["lines"][:-1]
    else:
        altered["path"] = altered["path"][:-1]
    Path(proof).write_text(json.dumps(altered))
    code, told = place.check(proof)
    assert code == 1 and told.startswith("NOT PROVEN")


def test_keys_come_from_files_and_settings(place: Place, settings: Any) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = place.directory / "key.pem"
    file.write_bytes(pem)
    public = key.public_key().public_bytes_raw().hex()
    assert json.loads(place.ledger("digest", "--key-file", str(file)))["public_key"] == public
    settings.AUDITTRAIL_LEDGER_KEY = str(file)
    assert json.loads(place.ledger("digest"))["public_key"] == public
    settings.AUDITTRAIL_LEDGER_KEY = str(place.directory / "none")
    assert (
        "AUDITTRAIL_LEDGER_KEY is neither a key of 64 hexadecimal digits nor the name of a file that holds one:"
        " No such file or directory."
    ) in place.ledger("digest")
    mistyped = key.private_bytes_raw().hex()[:-1]
    settings.AUDITTRAIL_LEDGER_KEY = mistyped
    assert mistyped not in place.ledger("digest"), "the error must not tell the key"
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    settings.AUDITTRAIL_LEDGER_KEY = encrypted.decode()
    assert "The key to sign digests with is encrypted;" in place.ledger("digest")
    settings.AUDITTRAIL_LEDGER_KEY = "-----BEGIN NOTHING-----"
    assert "The key to sign digests with is not a private key in PEM;" in place.ledger("digest")
    settings.AUDITTRAIL_LEDGER_KEY = b"x"
    assert "AUDITTRAIL_LEDGER_KEY is of type 'bytes'" in place.ledger("digest")


def test_files_that_are_no_digests(place: Place) -> None:
    for content, problem in (
        ('{"format": "other"}', "its format is 'other', not 'audittrail digest 1'"),
        ('{"format": "audittrail digest 1"}', "it lacks 'size'"),
        ("[]", "a value in it is not of the right kind"),
        (
            '{"format": "audittrail digest 1", "size": "x"}',
            "a value in it is not of the right kind",
        ),
        ("{", "it does not hold JSON"),
    ):
        Path(place.path("odd.json")).write_text(content)
        told = place.ledger("verify", "--against", place.path("odd.json"))
        assert f"is not a digest of audittrail: {problem}." in told
    code, told = place.check(place.path("odd.json"))
    assert (code, told.strip().endswith("can't be used: it does not hold JSON.")) == (1, True)
    told = place.ledger("verify", "--against", place.path("no"))
    assert "is not a digest of audittrail: No such file or directory." in told
    code, told = place.check(place.path("no"))
    assert (code, told.strip().endswith("can't be used: No such file or directory.")) == (1, True)
    assert "can't be written: No such file or directory." in place.ledger(
        "digest", place.path("none/one.json")
    )
    place.ledger("digest", place.path("one.json"))
    statement = place.read("one.json") | {"database": "another"}
    Path(place.path("odd.json")).write_text(json.dumps(statement))
    found = place.ledger("verify", "--against", place.path("odd.json"))
    assert "the ledger here is another one" in found
    assert "is of another ledger" in place.ledger("prove", "1", "--against", place.path("odd.json"))
    found = place.ledger("prove", "1", "--against", place.path("one.json"))
    assert "Revision 1 is not in the digest of" in found


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "[" * 5000, "{", '{"format": "audittrail proof 1"}']
)
def test_a_file_that_is_no_proof_is_told_as_such(place: Place, text: str) -> None:
    file = place.directory / "none.json"
    file.write_text(text)
    code, told = place.check(str(file))
    assert (code, told[:12], told.count("\n")) == (1, "NOT PROVEN: ", 1)

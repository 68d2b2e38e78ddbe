"""Settings that mean nothing are told by a check with an id and a hint, never by a traceback."""

from __future__ import annotations

import re

import pytest
from django.core.checks import ERROR, WARNING, run_checks

from audittrail import conf
from audittrail.checks import check_models, check_settings
from audittrail.exceptions import ConfigurationError
from tests.structure.tree import ROOT
from tests.testapp.models import Customer

WRONG = {
    "AUDITTRAIL_MODELS": ["testapp.Customer", 5, None, [Customer], b"shop.*"],
    "AUDITTRAIL_EXCLUDE": ["sessions.*", {"sessions": True}, [None]],
    "AUDITTRAIL_BASELINE_LIMIT": ["32MB", -1, 1.5, True, None],
    "AUDITTRAIL_LOCK_TIMEOUT": ["2s", -1, None],
    "AUDITTRAIL_TRUSTED_PROXY_COUNT": ["1", -1, True],
    "AUDITTRAIL_COMPARED_SIZE": ["50kB", -1, None],
    "AUDITTRAIL_RIGHTS_AS_OF": ["", "yesterday", None],
    "AUDITTRAIL_REQUEST_ID_HEADER": ["", None, 5, b"X-Request-ID"],
    "AUDITTRAIL_READ_LIVE": ["contenttypes.*", [5]],
}


def messages(identity: str) -> list:
    return [message for message in check_settings() if message.id == f"audittrail.{identity}"]


def test_the_test_project_has_nothing_to_complain_about() -> None:
    assert check_settings() == []


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_e001_a_setting_of_the_wrong_kind(settings, name, value) -> None:
    setattr(settings, name, value)
    (message,) = messages("E001")
    assert message.level == ERROR
    assert message.msg.startswith(f"{name} is {value!r}")
    assert message.hint


@pytest.mark.parametrize("name", ["AUDITTRAIL_MODELS", "AUDITTRAIL_EXCLUDE"])
@pytest.mark.django_db
def test_e001_does_not_break_the_other_checks(settings, name) -> None:
    setattr(settings, name, "testapp.*")
    assert [m.id for m in run_checks(databases=["default"])] == ["audittrail.E001"]


def test_a_wrong_setting_is_a_clear_error_where_it_is_used(settings) -> None:
    settings.AUDITTRAIL_LOCK_TIMEOUT = "2s"
    with pytest.raises(ConfigurationError, match="'2s'; give a whole number, 0 or more"):
        conf.lock_timeout()
    settings.AUDITTRAIL_EXCLUDE = "sessions.*"
    with pytest.raises(ConfigurationError, match=r"'sessions\.\*'; give a list of labels"):
        assert Customer.history.versions


@pytest.mark.parametrize("setting", ["AUDITTRAIL_MODELS", "AUDITTRAIL_EXCLUDE"])
@pytest.mark.parametrize("label", ["testapp.Custumer", "shop.Customer", "Customer", "a.b.c", ""])
def test_e002_a_label_that_is_no_model(settings, setting, label) -> None:
    setattr(settings, setting, ["testapp.Tag", label])
    (message,) = messages("E002")
    assert message.level == ERROR
    assert message.msg == f"{setting} names {label!r}, which is no model of this project."
    assert "labels such as 'shop.Order'" in message.hint


def test_e002_a_proxy(settings) -> None:
    settings.AUDITTRAIL_EXCLUDE = ["testapp.VipCustomer"]
    (message,) = messages("E002")
    assert message.msg == "AUDITTRAIL_EXCLUDE names 'testapp.VipCustomer', which is a proxy."
    assert message.hint == "Name 'testapp.Customer', whose table it shares."


def test_w003_a_wildcard_that_matches_nothing(settings) -> None:
    settings.AUDITTRAIL_MODELS = ["testapp.*", "shop.*"]
    settings.AUDITTRAIL_EXCLUDE = ["testapp.Custumer*"]
    first, second = messages("W003")
    assert first.level == second.level == WARNING
    assert first.msg == (
        "AUDITTRAIL_MODELS has the wildcard 'shop.*', which no model of this project matches."
    )
    assert "'testapp.Custumer*'" in second.msg
    assert "INSTALLED_APPS" in first.hint


def test_the_default_exclusions_may_be_repeated(settings) -> None:
    # They name apps that a project need not have.
    settings.AUDITTRAIL_EXCLUDE = [*conf.DEFAULT_EXCLUDE, "testapp.Tag"]
    assert check_settings() == []


def test_w004_without_the_middleware(settings) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "audittrail" not in name]
    (message,) = messages("W004")
    assert message.level == WARNING
    assert message.msg == "Revisions made by requests will not say who made them."
    assert "audittrail.middleware.RevisionContextMiddleware" in message.hint


def test_models_are_not_checked_against_settings_that_cannot_be_read(settings) -> None:
    settings.AUDITTRAIL_MODELS = None
    assert check_models() == []


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("AUDITTRAIL_EXCLUDES", "Did you mean AUDITTRAIL_EXCLUDE? "),
        ("AUDITTRAIL_LOCKTIMEOUT", "Did you mean AUDITTRAIL_LOCK_TIMEOUT? "),
        ("AUDITTRAIL_XYZZY", ""),
    ],
)
def test_w020_a_setting_that_is_none(settings, name, near) -> None:
    setattr(settings, name, True)
    (message,) = messages("W020")
    assert message.level == WARNING
    assert message.msg.startswith(f"{name} is no setting")
    assert message.hint.startswith(f"{near}Take it out")


def test_docs_settings_lists_every_setting() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(AUDITTRAIL_\w+)`", page, re.MULTILINE) == list(conf.SETTINGS)
    source = (ROOT / "audittrail" / "conf.py").read_text(encoding="utf-8")
    assert set(re.findall(r'"(AUDITTRAIL_\w+)"', source)) == set(conf.SETTINGS)


def test_docs_tracking_lists_what_is_left_out() -> None:
    page = (ROOT / "docs" / "tracking.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \| ", page.partition("## Choosing models")[0], re.MULTILINE)
    assert set(re.findall(r"`([^`]+)`", " ".join(rows))) == set(conf.DEFAULT_EXCLUDE)

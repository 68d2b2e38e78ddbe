"""Which models are tracked: by default, by settings, and on request."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import models
from django.test.utils import isolate_apps

from audittrail import conf, history
from audittrail.capture import tracking
from audittrail.capture.tables import describe
from audittrail.exceptions import ConfigurationError
from audittrail.models import Revision
from tests.testapp.models import (
    Customer,
    Employee,
    Legacy,
    LogLine,
    Measurement,
    Order,
    Person,
    Product,
    Tag,
    VipCustomer,
)


@pytest.fixture
def registrations(monkeypatch) -> None:
    """Take back what a test registers."""
    monkeypatch.setattr(tracking, "_registered", dict(tracking._registered))


def tracked() -> set[str]:
    return {model._meta.label for model in tracking.tracked_models()}


def test_by_default_every_concrete_managed_model_is_tracked() -> None:
    labels = tracked()
    assert {"testapp.Customer", "testapp.Employee", "auth.User", "auth.Group"} <= labels
    assert {"testapp.Product_tags", "auth.User_groups", "auth.Group_permissions"} <= labels
    assert not {"testapp.VipCustomer", "testapp.Legacy", "audittrail.Revision"} & labels


def test_by_default_bookkeeping_is_left_out() -> None:
    assert not tracked() & {
        "sessions.Session",
        "contenttypes.ContentType",
        "auth.Permission",
        "admin.LogEntry",
    }
    for model in (Session, ContentType, Permission, Revision):
        assert not tracking.is_tracked(model)


def test_a_proxy_goes_with_its_model() -> None:
    assert tracking.is_tracked(VipCustomer)


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["testapp.Customer"], {"testapp.Customer"}),
        (["testapp.customer"], {"testapp.Customer"}),
        (["testapp.Customer*"], {"testapp.Customer", "testapp.Customer_favourites", "testapp.CustomerProfile"}),
        (["*.Group"], {"auth.Group"}),
        (["auth"], {"auth.User", "auth.Group", "auth.User_groups", "auth.User_user_permissions", "auth.Group_permissions"}),
        (["auth.[GU]*p"], {"auth.Group"}),
        ([], set()),
    ],
)  # fmt: skip
def test_models_takes_labels_and_wildcards(settings, patterns, expected) -> None:
    settings.AUDITTRAIL_MODELS = patterns
    assert tracked() == expected


def test_exclude_wins_over_models(settings) -> None:
    settings.AUDITTRAIL_MODELS = ["testapp.*", "auth.User"]
    settings.AUDITTRAIL_EXCLUDE = ["testapp.O*", "auth.User"]
    assert "testapp.Order" not in tracked()
    assert "auth.User" not in tracked()
    assert "testapp.Customer" in tracked()


def test_exclude_takes_the_place_of_the_default(settings) -> None:
    settings.AUDITTRAIL_EXCLUDE = ["testapp.Order"]
    assert "sessions.Session" in tracked()
    settings.AUDITTRAIL_EXCLUDE = [*conf.DEFAULT_EXCLUDE, "testapp.Order"]
    assert not {"sessions.Session", "testapp.Order"} & tracked()


def test_our_own_tables_are_never_tracked(settings) -> None:
    settings.AUDITTRAIL_MODELS = ["audittrail.Revision", "*"]
    settings.AUDITTRAIL_EXCLUDE = []
    assert not tracking.is_tracked(Revision)


def test_an_unmanaged_model_is_tracked_when_its_label_is_given(settings) -> None:
    settings.AUDITTRAIL_MODELS = ["*"]
    assert not tracking.is_tracked(Legacy)
    settings.AUDITTRAIL_MODELS = ["testapp.*", "testapp.Leg*", "testapp"]
    assert not tracking.is_tracked(Legacy)
    settings.AUDITTRAIL_MODELS = ["*", "testapp.Legacy"]
    assert tracking.is_tracked(Legacy)
    assert not tracking.is_tracked(Measurement)


def test_a_registered_model_is_tracked_whatever_the_settings_say(settings, registrations) -> None:
    settings.AUDITTRAIL_MODELS = []
    history.register(Measurement)
    history.register(Session)
    assert tracked() == {"testapp.Measurement", "sessions.Session"}


def test_passwords_of_user_models_are_excluded_and_last_login_ignored() -> None:
    options = tracking.options_of(User)
    assert (options.exclude, options.ignore) == (("password",), ("last_login",))
    assert tracking.options_of(Group) == tracking.Options()


def test_a_registration_takes_the_place_of_the_default_for_users(registrations) -> None:
    history.register(User, ignore=["email"])
    options = tracking.options_of(User)
    assert (options.exclude, options.ignore) == ((), ("email",))


def test_a_later_registration_takes_the_place_of_an_earlier_one(registrations) -> None:
    history.register(Customer, exclude=["email"])
    history.register(Customer, mask=["name"])
    assert tracking.options_of(Customer) == tracking.Options(mask=("name",))


class Other(models.Model):
    class Meta:
        abstract = True


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (Other, "Other is abstract and has no table; register the models that inherit from it."),
        (VipCustomer, "testapp.VipCustomer is a proxy; register the model whose table .testapp_customer. it shares."),
        ("testapp.Customer", "takes a model class, not 'testapp.Customer'"),
        (Customer(), "takes a model class, not <Customer: >"),
        (int, "takes a model class, not <class 'int'>"),
        (None, "takes a model class, not None"),
    ],
)  # fmt: skip
def test_what_cannot_be_registered(model, text) -> None:
    with pytest.raises(ConfigurationError, match=text):
        history.register(model)


@isolate_apps("tests.testapp")
def test_a_model_that_is_swapped_out_cannot_be_registered(settings) -> None:
    settings.TESTAPP_OTHER_MODEL = "testapp.Customer"

    class Swappable(models.Model):  # noqa: DJ008
        class Meta:
            app_label = "testapp"
            swappable = "TESTAPP_OTHER_MODEL"

    with pytest.raises(
        ConfigurationError, match=r"testapp\.Swappable has been swapped out; register testapp\.Cust"
    ):
        history.register(Swappable)


@pytest.mark.parametrize("option", ["exclude", "mask", "ignore"])
@pytest.mark.parametrize(
    ("model", "name", "text"),
    [
        (Customer, "surname", r"names 'surname', which is no column of 'testapp_customer'; it has email, id, name, vip\."),
        (Customer, "favourites", "names 'favourites', which is no column"),
        (Customer, "orders", "names 'orders', which is no column"),
        (Employee, "name", r"names 'name', which is no column of 'testapp_employee'"),
        (Order, "Reference", "names 'Reference', which is no column"),
        (Customer, 5, "names 5, which is no column"),
        (Customer, None, "names None, which is no column"),
    ],
)  # fmt: skip
def test_an_option_names_what_is_no_column(option, model, name, text, registrations) -> None:
    with pytest.raises(ConfigurationError, match=f"{option} of {model._meta.label} {text}"):
        history.register(model, **{option: [name]})
    assert not tracking.is_registered(model)


@pytest.mark.parametrize("option", ["exclude", "mask", "ignore"])
@pytest.mark.parametrize("value", ["email", None, 5, {"email": True}.keys])
def test_an_option_is_a_list(option, value, registrations) -> None:
    with pytest.raises(
        ConfigurationError, match=f"{option} of testapp.Customer is .*; give a list"
    ):
        history.register(Customer, **{option: value})


@pytest.mark.parametrize("option", ["exclude", "ignore"])
def test_a_primary_key_can_neither_be_excluded_nor_ignored(option, registrations) -> None:
    for model, name in ((Customer, "id"), (Measurement, "taken_on"), (Employee, "person_ptr")):
        with pytest.raises(
            ConfigurationError, match=f"names '{name}', which is part of the primary"
        ):
            history.register(model, **{option: [name]})


def test_options_name_fields_by_name(registrations) -> None:
    history.register(Order, exclude=("customer",), ignore=["details"])
    table = describe(Order)
    assert (table.exclude, table.ignore) == (("customer_id",), ("details",))


def test_an_untracked_model_has_no_history() -> None:
    for model in (Session, LogLine):
        with pytest.raises(AttributeError, match=f"{model._meta.label} is not tracked"):
            assert model.history.versions  # type: ignore[attr-defined]


def test_inherited_and_many_to_many_tables_stand_for_themselves(settings) -> None:
    settings.AUDITTRAIL_EXCLUDE = ["testapp.Employee", "testapp.Product"]
    assert tracking.is_tracked(Person)
    assert tracking.is_tracked(Product.tags.through)
    assert tracking.is_tracked(Tag)
    assert not tracking.is_tracked(Employee)

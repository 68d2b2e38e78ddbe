"""With django-tenants and with django-pgschemas each tenant has a history of its own: tables of one name in several schemas are several tables."""

from __future__ import annotations

from collections.abc import Callable

import pytest

CHECKS = [
    "every_schema_is_tracked",
    "nothing_is_left_to_do",
    "versions_are_the_tenants_own",
    "the_past_is_the_tenants_own",
    "the_past_is_the_tenants_own_in_one_transaction",
    "differences_are_the_tenants_own",
    "what_comes_back_is_the_tenants_own",
    "everything_comes_back_to_one_tenant_alone",
    "a_traveller_reads_the_tenants_past",
    "the_admin_shows_the_tenants_own",
    "a_new_tenant_is_tracked",
    "a_dropped_tenant_leaves_the_others",
    "the_admin_opens_nothing_of_another_tenant",
    "authors_are_the_tenants_own",
    "a_user_who_is_told_later_is_of_the_tenant_that_told",
    "corrections_are_the_tenants_own",
    "pruning_takes_the_tenants_own",
]


@pytest.mark.parametrize("check", CHECKS)
def test_tenants(run: Callable[[str], None], check: str) -> None:
    run(check)

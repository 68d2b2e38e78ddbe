"""What is known to differ with audittrail, each with its reason; and which modules of Django's suite are asked again."""

from __future__ import annotations

import re
from typing import Final

#: Modules whose questions are asked again as of the newest revision.
QUERYING: Final = frozenset(
    [
        "aggregation",
        "aggregation_regress",
        "annotations",
        "async",
        "basic",
        "bulk_create",
        "composite_pk",
        "contenttypes_tests",
        "custom_columns",
        "custom_lookups",
        "custom_managers",
        "custom_methods",
        "custom_pk",
        "datatypes",
        "dates",
        "datetimes",
        "db_functions",
        "defer",
        "defer_regress",
        "delete",
        "delete_regress",
        "distinct_on_fields",
        "empty",
        "expressions",
        "expressions_case",
        "expressions_window",
        "extra_regress",
        "field_subclassing",
        "filtered_relation",
        "foreign_object",
        "force_insert_update",
        "from_db_value",
        "generic_inline_admin",
        "generic_relations",
        "generic_relations_regress",
        "get_earliest_or_latest",
        "get_object_or_404",
        "get_or_create",
        "known_related_objects",
        "lookup",
        "m2m_and_m2o",
        "m2m_intermediary",
        "m2m_multiple",
        "m2m_recursive",
        "m2m_regress",
        "m2m_signals",
        "m2m_through",
        "m2m_through_regress",
        "m2o_recursive",
        "managers_regress",
        "many_to_many",
        "many_to_one",
        "many_to_one_null",
        "max_lengths",
        "model_fields",
        "model_inheritance",
        "model_inheritance_regress",
        "multiple_database",
        "mutually_referential",
        "nested_foreign_keys",
        "null_fk",
        "null_fk_ordering",
        "null_queries",
        "one_to_one",
        "or_lookups",
        "order_with_respect_to",
        "ordering",
        "pagination",
        "postgres_tests",
        "prefetch_related",
        "properties",
        "proxy_models",
        "queries",
        "queryset_pickle",
        "raw_query",
        "reserved_names",
        "reverse_lookup",
        "select_related",
        "select_related_onetoone",
        "select_related_regress",
        "string_lookup",
        "swappable_models",
        "timezones",
        "transactions",
        "unmanaged_models",
        "update",
        "update_only_fields",
        "xor_lookups",
    ]
)

#: Modules that together take a few minutes, those that ask in the most different ways.
PART: Final = [
    "aggregation",
    "basic",
    "composite_pk",
    "expressions_window",
    "generic_relations",
    "lookup",
    "many_to_many",
    "model_inheritance",
    "multiple_database",
    "order_with_respect_to",
    "ordering",
    "prefetch_related",
    "raw_query",
    "select_related",
]

#: Tests that fail with audittrail and not without, and why.
FAILING: Final[dict[str, str]] = {
    r"ConnectionRouterTestCase\.test_router_init_(arg|default)$": "it lists the routers, before which audittrail puts its own",
    r"^admin_views\.test_adminsite\.SiteEachContextTest\.test_available_apps$": "it counts the models of the index, which has the revisions too",
    r"^admin_views\..*AdminCustomTemplateTests\.test_custom_model_admin_templates$": "audittrail's page of an object's history is shown",
    r"^admin_views\..*AdminConsecutiveWhiteSpaceObjectDisplayTest\.test_display_consecutive_whitespace_object_in_(breadcrumbs|sub_title)$": "an object whose text is blank is called by its model and key, where Django shows a dash",
    r"^admin_views\..*AdminViewStringPrimaryKeyTest\.test_get_history_view$": "it looks for an entry of the admin's log, to which no change belongs",
    r"^admin_views\..*AdminViewPermissionsTest\.test_history_view$": "what a ModelAdmin's own has_view_permission refuses is not found, so that nobody learns which keys there are, where Django forbids it",
    r"^admin_views\..*AdminViewPermissionsTest\.test_history_view_bad_url$": "the history of what neither is nor was is not found, and not led elsewhere",
    r"^backends\.postgresql\.tests\.Tests\.test_connect_custom_cursor_factory$": "cursors are of a class that is derived from the project's, which sends the context",
    r"^postgres_tests\.test_operations\.((Create|Remove)Collation|CreateExtension)Tests\.": "it counts the statements of a change of the schema, to which those are added that keep history in step",
    r"^test_utils\.tests\.OverrideSettingsTests\.test_override_database_routers$": "it lists the routers, before which audittrail puts its own",
    r"^check_framework\.test_model_checks\.": "it wants the messages of all system checks to be its own alone, and W004 warns",
    r"^admin_checks\.tests\.SystemChecksTestCase\.test_(checks_are_performed|custom_adminsite)$": "it wants the messages of all system checks to be its own alone; its settings have no RevisionContextMiddleware, of which W004 warns",
}

#: Parts of errors with which a question is refused, and why.
REFUSED: Final[dict[str, str]] = {
    r"test_aggregate_unmanaged_model_(as_tables|columns)\b.*is not a tracked table": "the test declares models unmanaged, and so not tracked, while it runs",
    r"TimeTravelError: 'django_(admin_log|session)' is not a tracked table": "the admin's log and sessions are not tracked by default",
    r"test_validate_generated_field_range_\w+ .*is not a tracked table": "the test makes the table itself while it runs",
    r"test_contenttype_in_separate_db .*get_or_create\(\) is not possible": "a content type that its database does not have is not made in the past",
    r"test_first_last_empty_order_by_\w+ .*MagicMock": "the test puts something else in the place of order_by(), by which the newest revision is found",
    r"aggregate.*MixedMomentsError|MixedMomentsError.* aggregate": "an argument of the question is itself a queryset of the present",
}

#: Parts of a question or of a test's name whose answer may differ, and why.
DIFFERING: Final[dict[str, str]] = {
    r"^statement .*GroupingError": "PostgreSQL knows what depends on a key only of real tables; the ORM writes the past's GROUP BY otherwise",
    r"audittrail: \w+\.password is excluded from history": "passwords are never stored",
    r"test_distinct_on_duplicated_raw_sql_annotations|test_random\.RandomTests\.test\b": "it annotates random numbers",
    r"test_now\.NowTests\.test_microseconds": "it annotates the time at which its statement is sent",
    r"test_first_last_empty_order_by_\w+ .*MagicMock": "the test puts something else in the place of order_by(), by which the newest revision is found",
    r"test_alias_with_period_shadows_table_name|PrefetchLimitTests\.test_empty_order": "a slice whose order leaves open which rows are in it",
    r"test_qs_combinators\.\w+\.(test_exists_difference|test_exists_intersection|test_limits)\b": "a slice of a set operation without an order",
}


def why_fails(test: str) -> str | None:
    """Return why a test is known to fail, None if it is not."""
    return next((why for pattern, why in FAILING.items() if re.search(pattern, test)), None)


def why_refused(found: dict[str, str]) -> str | None:
    """Return why a question is known to be refused, None if it is not."""
    text = f"{found['kind']} {found['test']} {found['reason']} {found['question']}"
    return next(
        (why for pattern, why in REFUSED.items() if re.search(pattern, text, re.DOTALL)), None
    )


def why_differs(found: dict[str, str]) -> str | None:
    """Return why an answer is known to differ, None if it is not."""
    text = f"{found['kind']} {found['test']} {found['question']} {found['difference']}"
    return next(
        (why for pattern, why in DIFFERING.items() if re.search(pattern, text, re.DOTALL)), None
    )

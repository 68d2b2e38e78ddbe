"""A project made of other people's fields, managers, querysets and user keys works as any other does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

CHECKS = [
    "versions_are_found",
    "the_past_is_read",
    "differences_are_told",
    "what_is_deleted_is_found",
    "users_are_known",
    "a_user_that_is_none_fails_no_write",
    "pages_answer",
    "relatives_are_of_the_moment",
    "relatives_by_a_child_model_are_of_the_moment",
    "a_tree_of_the_past_is_not_written",
    "other_histories_stand_beside_ours",
    "what_was_comes_back",
]


@pytest.mark.parametrize("check", CHECKS)
def test_packages(run: Callable[[str], None], check: str) -> None:
    run(check)

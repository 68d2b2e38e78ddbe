"""A server may keep the number of its cluster from the owner of a database: everything works, and what can't be told is not taken for granted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.builders.sending import send

OWNER = "owner_of_history"
HISTORY = "SELECT id, name FROM audittrail.as_of(NULL::item, %s) ORDER BY id"


def test_the_number_of_the_cluster_is_not_needed(fresh_database: Callable[[], Any]) -> None:
    with fresh_database() as database:
        control = database.connect()
        send(control, f"CREATE ROLE {OWNER} LOGIN")
        send(control, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        try:
            send(control, f"GRANT CREATE ON SCHEMA public TO {OWNER}")
            send(
                control,
                f"CREATE TABLE item (id int PRIMARY KEY, name varchar(10)); ALTER TABLE item OWNER TO {OWNER}",
            )
            send(control, "INSERT INTO item VALUES (1, 'a'), (2, 'b')")
            give_away(control)
            owner = database.connect(user=OWNER)
            send(owner, "SELECT audittrail.track('item', baseline_limit => 0)")
            send(owner, "SELECT audittrail.note_files()")
            assert send(owner, "SELECT audittrail.this_database()") == [(None,)]
            ((began,),) = send(owner, "SELECT max(committed_at) FROM audittrail.revision")
            send(owner, "UPDATE item SET name = 'z' WHERE id = 1")
            assert send(owner, HISTORY, began) == [(1, "a"), (2, "b")]
            # Another name for a type is as good as other values where files can't be compared: the safe case.
            send(owner, "ALTER TABLE item ALTER name TYPE varchar(20)")
            with pytest.raises(Exception, match="has got another type"):
                send(owner, HISTORY, began)
            send(owner, "UPDATE item SET name = 'y' WHERE id = 1")
            with pytest.raises(Exception, match="is tracked only since"):
                send(owner, HISTORY, began)
            ((now,),) = send(owner, "SELECT max(committed_at) FROM audittrail.revision")
            assert send(owner, HISTORY, now) == [(1, "y"), (2, "b")]
        finally:
            send(
                control,
                f"REASSIGN OWNED BY {OWNER} TO postgres; DROP OWNED BY {OWNER}; DROP ROLE {OWNER}",
            )


def give_away(control: Any) -> None:
    """Let everything of ours belong to the role."""
    send(control, f"ALTER SCHEMA audittrail OWNER TO {OWNER}")
    for kind, name in send(
        control,
        "SELECT 'TABLE', oid::regclass::text FROM pg_class WHERE relnamespace = 'audittrail'::regnamespace AND relkind = 'r' UNION ALL"
        " SELECT 'FUNCTION', oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'audittrail'::regnamespace UNION ALL"
        " SELECT 'SEQUENCE', oid::regclass::text FROM pg_class c WHERE relnamespace = 'audittrail'::regnamespace AND relkind = 'S'"
        " AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'i')",
    ):
        send(control, f"ALTER {kind} {name} OWNER TO {OWNER}")

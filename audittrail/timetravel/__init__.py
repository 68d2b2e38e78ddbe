"""Time travel, the third stage: reading the database through the ORM as a revision left it; it knows revisions and capture."""


def install() -> None:
    """Let Django find the connections of past moments, and keep objects of the past in the past."""
    from audittrail.timetravel import connection, router

    connection.install()
    router.install()

"""Time travel, the third stage: reading the database through the ORM as a revision left it; it knows revisions and capture."""


def install() -> None:
    """Let Django find the connections of past moments, and keep objects of the past in the past."""
    from django.db.models.signals import post_migrate

    from audittrail.timetravel import connection, lookups, registry, relations, router, settled

    connection.install()
    router.install()
    relations.install()
    lookups.install()
    post_migrate.connect(registry.forget, dispatch_uid="audittrail.registry")
    post_migrate.connect(settled.forget, dispatch_uid="audittrail.settled")

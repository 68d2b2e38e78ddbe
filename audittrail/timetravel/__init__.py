"""Time travel, the fourth stage: reading the database through the ORM as a revision left it; it knows revisions and capture."""


def install() -> None:
    """Let Django find the connections of past moments, and keep objects of the past in the past."""
    from django.db.backends.signals import connection_created
    from django.db.models.signals import post_migrate

    from audittrail.timetravel import (
        caching,
        connection,
        following,
        guard,
        lookups,
        read_only,
        registry,
        relations,
        router,
        routing,
        settled,
    )

    connection.install()
    router.install()
    relations.install()
    following.install()
    read_only.install()
    lookups.install()
    routing.install()
    caching.install()
    connection_created.connect(guard.install, dispatch_uid="audittrail.guard")
    post_migrate.connect(registry.forget, dispatch_uid="audittrail.registry")
    post_migrate.connect(settled.forget, dispatch_uid="audittrail.settled")

"""Name the permissions for what the admin's own pages do not let a user write or see."""

from django.apps import apps
from django.conf import settings
from django.db import migrations

#: Since this migration names of permissions may be longer than 50 characters. A project may make its tables without migrations, as test
#: suites do, or by others.
AUTH = (
    [("auth", "0002_alter_permission_name_max_length")]
    if apps.is_installed("django.contrib.auth") and "auth" not in settings.MIGRATION_MODULES
    else []
)


class Migration(migrations.Migration):
    dependencies = [("audittrail", "0002_ledger"), *AUTH]

    operations = [
        migrations.AlterModelOptions(
            name="revision",
            options={
                "default_permissions": ("view",),
                "get_latest_by": "committed",
                "managed": False,
                "permissions": [
                    ("undo_revision", "Can undo a revision"),
                    ("restore_database", "Can restore the whole database to a revision"),
                    ("roll_back_database", "Can roll back the whole database to a revision"),
                    (
                        "undelete_completely",
                        "Can undelete with values that the admin's add page does not take",
                    ),
                    (
                        "view_all_fields",
                        "Can view the history of fields that the admin's pages do not show",
                    ),
                ],
                "verbose_name": "revision",
                "verbose_name_plural": "revisions",
            },
        )
    ]

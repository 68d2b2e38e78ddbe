"""Name the permissions for what the admin's own pages do not let a user write or see."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("audittrail", "0002_ledger")]

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

"""A project that has used django-simple-history for years, and moves to audittrail."""

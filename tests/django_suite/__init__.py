"""Django's own test suite as a judge of audittrail: `python -m tests.django_suite`."""

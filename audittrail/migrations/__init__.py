"""Migrations: the tables of audittrail, from frozen SQL."""

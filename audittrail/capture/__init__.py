"""Capture, the first stage: what is tracked, the SQL that captures it, and keeping both in step with the schema; it knows no models of ours."""

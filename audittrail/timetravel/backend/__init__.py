"""The database backend of the aliases of past moments."""

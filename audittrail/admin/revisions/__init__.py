"""The revision browser: its filters, table, chart of activity and exports; it knows the shared rooms alone."""

"""Who may see and do what: which models, which rows of them, which fields, and what may be written; it asks the project's own ModelAdmins and knows no page."""

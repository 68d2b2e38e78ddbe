"""Restore, the sixth stage: plan and carry out the return of rows to a state of the past; it knows time travel and differences."""


def install() -> None:
    """Give past querysets the methods that bring their rows back."""
    from audittrail.restore import querysets

    querysets.install()

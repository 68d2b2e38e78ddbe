"""Who, why and from where: what a revision says about the change it records."""

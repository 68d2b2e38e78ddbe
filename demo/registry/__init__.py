"""The register: countries, their subdivisions, and currencies, as ISO 3166 and ISO 4217 list them."""

"""The register's tables as an application of Django."""

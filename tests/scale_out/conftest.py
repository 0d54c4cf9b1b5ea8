from tests.machines import include, media, provider, stub  # noqa: F401  (fixtures)

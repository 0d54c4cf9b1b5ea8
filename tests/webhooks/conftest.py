from tests.machines import include, media, provider, stub, version  # noqa: F401  (fixtures)

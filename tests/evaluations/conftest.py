from tests.browser import chromium, page  # noqa: F401  (fixtures)
from tests.machines import include, make_evaluation, make_model, media, provider, stub, version  # noqa: F401  (fixtures)

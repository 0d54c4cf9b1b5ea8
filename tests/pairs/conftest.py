from tests.browser import chromium, page
from tests.reviewing import ana, ben, give, json_project, ticket

__all__ = ["ana", "ben", "chromium", "give", "json_project", "page", "ticket"]

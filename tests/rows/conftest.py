from tests.reviewing import ana, ben, give, json_project, ticket

__all__ = ["ana", "ben", "give", "json_project", "ticket"]

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        from curation.routing import tell

        from .registry import note_base_model

        tell(note_base_model)

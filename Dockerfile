# One image for every process of the application; docker-compose.yml says which one a container is. The trainer is built
# as the stage that CURATION_TRAINER names: `baseline` is the same image, `lora` adds the packages for language models.
FROM python:3.12-slim-bookworm AS baseline

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=curation.settings \
    CURATION_HOME=/data

RUN useradd --create-home --uid 10001 curation && install -d -o curation -g curation /data
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.txt
COPY manage.py ./
COPY curation ./curation
COPY jobs ./jobs
COPY templates ./templates
COPY static ./static

USER curation
VOLUME /data
EXPOSE 8000
CMD ["uvicorn", "curation.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", \
     "--log-level", "warning", "--timeout-graceful-shutdown", "20"]


FROM baseline AS lora
USER root
COPY requirements-trainer.txt requirements-trainer-cuda.txt ./
# PyPI's build of torch for Linux needs the second list, also where it computes on the processor.
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
    -r requirements-trainer.txt -r requirements-trainer-cuda.txt
USER curation

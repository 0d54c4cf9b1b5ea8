"""A trainer that speaks OpenAI's API for files, fine-tuning jobs, models and chat, on this machine and on its own.

It needs neither the web application nor its database: `python -m jobs.trainer --home DIR --port PORT`, with its key, or
several separated by commas, in the environment as CURATION_TRAINER_KEY.
"""

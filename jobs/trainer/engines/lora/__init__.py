"""The engine `lora`: a small set of weights beside an open language model, learned with transformers and peft.

Needs the packages of requirements-trainer.txt. Nothing is ever fetched: models are files of this machine.
"""

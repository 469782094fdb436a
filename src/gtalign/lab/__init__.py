"""The small world: questions, users, teachers, a judge, a tokenizer and a model from scratch.

Everything in it is known, so that what a model believes can be held against the truth.
"""

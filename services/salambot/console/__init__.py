"""The developer's page at `/console`: talk to the chatbot, see what runs, what is wrong and what came in.

Pieces of the page are rendered here and fetched again by a small script; nothing of it runs while nobody looks.
"""

"""Answers in a document's own words: cut passages into units, judge them against a question, word what was chosen."""

"""Answers on businesses that nobody tuned for: labelled questions, an index in memory, the fit of the decision."""

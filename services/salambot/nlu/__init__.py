"""The LLM wrapper: from a prompt and passages to a reply in the language of the prompt."""

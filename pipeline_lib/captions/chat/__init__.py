"""Negation by a language model behind a chat endpoint; its answers pass the checks of `captions.rules`."""

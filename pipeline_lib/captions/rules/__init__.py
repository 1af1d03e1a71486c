"""Negation by rules: from a tagged caption to subject, predicate-object pairs, candidates and the one that is drawn.

    chunks      cuts a tagged caption into noun phrases, prepositions and verb forms
    relations   reads the chunks from left to right: subject and predicate-object pairs (paper section 3, step 1)
    visibility  keeps the pairs that a picture can contradict
    scenes      leaves out what strict readers call bad for its structure
    forms       writes every form of every pair: the candidates (step 3); `absence` has *without* and *with no*
    rewriting   edits a caption token by token, and leaves a pair out of it: the exclusion caption
    checks      refuses captions, and candidates that are not faithful
    scoring     how likely a strict reader calls a candidate good
    backend     draws one good candidate by seed and key (step 2) and fills the row of the negation table

To change the rules:

- A word. ``words.txt``, ``abstract.txt`` and ``scenes.txt`` here, and ``words.txt`` and ``function-words.txt`` of
  `tagger`, are lists with a comment each. Put the word on a line of its own under its ``[list]``; no code changes.
- A negation word. Add it to `formats.negation.NEGATION_WORDS` and to ``word_weights`` in `config.models`, give it a
  weight in ``captions.word_weights`` of ``config/config.yaml``, and write at least one form that uses it. The list
  ``[negations]`` of ``words.txt`` must have it, so that captions with the word are refused and a negated caption has it
  only once.
- A form. Write a function ``(caption, pair)`` that returns the negated caption, or None where it does not fit, with
  `Rewrite`. Add a `Form` to `forms.FORMS`: its name in the table, its negation word, the cases where it may apply, the
  function. Nothing else changes: `checks.unfaithful` judges what the form writes.
- A refusal. Add a `Reason`, and return it from `checks.refuse_text` (before tagging), from `checks.refuse_parsed` (the
  whole caption) or, for one pair, from `backend`. For an unfaithful sentence add a line to `checks.unfaithful`.
- What is negatable at all. `visibility.negatable_pairs` is a chain of small questions about one pair each, and
  `scenes.can_be_denied` another.
- A feature of the score. Return it from a function of `scoring`, give it a line in ``quality.tsv``, and fit again with
  `captions.quality_model`.

``python -m pipeline_lib.captions.explain "a caption"`` shows every step. A changed rule changes the hash in the column
``code`` of the negation table; the tables ``captions.quality`` makes of it are the place to look at the effect.
"""

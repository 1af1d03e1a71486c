"""Turn captions into negated captions, after the paper's three steps and without a language model.

`tagger` tags words; `rules` finds the predicate-object pairs of a caption, negates one of them and checks the result;
`chat` asks a language model instead and trusts it no more. The commands are `negate` for a file, `explain` for single
captions, `quality` for a page about a negation table (`formats.negation`), and `quality_model` and `attest` to fit the
score of the rules' sentences again. How to add a word, a form or a refusal stands in `rules`. Errors that a user can
mend are ValueErrors that say what was expected, found and where.

Imports `clip`, `formats` and `jobs`.
"""

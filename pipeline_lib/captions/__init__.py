"""Turn captions into negated captions, after the paper's three steps and without a language model.

``lexicon`` tags words, ``relations`` finds the subject and the predicate-object pairs, ``sentences`` negates one pair,
``checks`` refuses what is not faithful; ``negate`` does it for a file and ``explain`` for one caption on the screen.
"""

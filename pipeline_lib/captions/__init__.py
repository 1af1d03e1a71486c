"""Turn captions into negated captions, after the paper's three steps and without a language model.

``tagger`` tags words by ``lexicon`` (with the tables ``words``, ``usual``, ``dictionary``), ``costs`` and ``context``;
``relations`` finds the subject and the predicate-object pairs, of which ``offered`` keeps those that a picture can
contradict (``depictable``); ``sentences`` negates one pair, ``exclusion`` omits it; ``checks`` refuses what is not
faithful; ``rules`` puts these together. The commands are ``negate`` for a file and ``explain`` for single captions.
"""

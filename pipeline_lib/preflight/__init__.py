"""Report before a run: which data are here and right, room and time, which targets can run now.

`check` is the command. `registry` reads config/datasets.tsv, `findings` compares with it what lies on disk,
`requirements` says what each part of a run needs and leaves out what is missing, `estimate` counts room and time.
"""

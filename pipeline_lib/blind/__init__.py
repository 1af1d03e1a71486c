"""Models that see no image: how far do words alone tell the right captions from the wrong ones?

`words` is the model. The evaluation puts it beside the models of every benchmark that offers captions, and fine-tuning
may ask it about training captions: what it gets right can be learned without looking at an image. Imports nothing of
ours.
"""

"""Image features: computed once per backbone and pool, since the image tower is frozen and nothing is augmented.

For a ViT they are what the published loop computes in each step. A ResNet has BatchNorm, which that loop leaves in
training mode (``model.train()``): its features depend on the batch, and its running statistics move. Here they are
fixed.

What reads a file raises `FileNotFoundError` or `ValueError` that names it.
"""

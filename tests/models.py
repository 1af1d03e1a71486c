"""What tests of checkpoints share: a CLIP as OpenAI released theirs, names with a prefix."""

import torch


def archive(path, model):
    """A TorchScript file as OpenAI released them: weights in half precision, and three numbers among them."""

    class Archive(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name, module in model.named_children():
                self.add_module(name, module)
            for name, value in model.named_parameters(recurse=False):
                self.register_parameter(name, value)
            for name in ("input_resolution", "context_length", "vocab_size"):
                self.register_buffer(name, torch.tensor(7))

        def forward(self, x):
            return self.ln_final(x)

    torch.jit.trace(Archive(), torch.zeros(1, 64)).save(path)


def fine_tuned(model, start=("transformer.", "ln_final.", "token_", "positional_", "text_"), by=1e-4):
    """The weights of a model, those whose names begin so a little off."""
    torch.manual_seed(1)
    return {
        name: value + by * torch.randn_like(value) if name.startswith(start) else value.clone()
        for name, value in model.state_dict().items()
    }


def before(state_dict, prefix):
    """Put a prefix before names."""
    return {prefix + name: value for name, value in state_dict.items()}

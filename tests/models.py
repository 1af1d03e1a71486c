"""What tests of checkpoints share: a CLIP as OpenAI released theirs, a SigLIP, names with a prefix."""

import torch
from conftest import TINY

from pipeline_lib.backbones.export import export_huggingface
from pipeline_lib.backbones.pretrain import build
from pipeline_lib.clip.load import load_torchvision
from pipeline_lib.jobs.files import read_json, write_json


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


def make_siglip(folder):
    """Save a tiny SigLIP, with CLIP's tokenizer; it has 64 tokens, no mask of padding, and a bias beside its scale."""
    load_torchvision()
    from transformers import SiglipConfig, SiglipModel

    export_huggingface(build(TINY), folder)
    described = read_json(folder / "tokenizer_config.json")
    write_json(folder / "tokenizer_config.json", described | {"model_input_names": ["input_ids"]})
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**size, "vocab_size": 49408, "max_position_embeddings": 64, "projection_size": 32}
    torch.manual_seed(0)
    model = SiglipModel(
        SiglipConfig(text_config=text, vision_config={**size, "image_size": 32, "patch_size": 16})
    ).eval()
    model.logit_scale.data.fill_(3.0)
    model.save_pretrained(folder)
    return model

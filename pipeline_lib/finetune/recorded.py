"""Work on a GPU that is recorded once and then launched as one: a step of fine-tuning has a thousand small kernels.

Python takes longer to launch them one by one than a GPU to compute them. A recording (a CUDA graph) repeats them
without Python, in the same memory and with the same shapes. So there is one for each set of shapes that is met, of
which a plan that is padded has a few. What work reads beside its inputs, such as weights or a learning rate on the GPU,
must stay where it is; what it does on the CPU happens only while it is recorded.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class Recorded:
    """`work` with inputs from the CPU, whole numbers or bool, and results of which copies are returned.

    The first time that inputs have their shapes it is done as it is, so that whatever it makes once is made; the second
    time it is recorded. Nothing here waits for the GPU: the CPU may plan the next inputs meanwhile.
    """

    def __init__(self, work: Callable[..., Sequence[Tensor]], device: torch.device) -> None:
        self.work, self.device, self.stream = work, device, torch.cuda.Stream(device)
        self.memory = torch.cuda.graph_pool_handle()  # shared: of two recordings only one is under way
        self.recordings: dict[tuple, tuple[torch.cuda.CUDAGraph, Tensor, Sequence[Tensor]] | None] = {}

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """Return the results for `inputs`."""
        shapes = tuple(part.shape for part in inputs)
        numbers = torch.cat([part.flatten().long() for part in inputs]).pin_memory()
        outside = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(outside)
        with torch.cuda.stream(self.stream):  # all on one: a recording must not depend on work elsewhere
            if shapes not in self.recordings:
                self.recordings[shapes] = None
                results = self.work(*unpack(numbers.to(self.device, non_blocking=True), inputs))
            else:
                graph, place, made = self.recordings[shapes] = self.recordings[shapes] or self._record(inputs, numbers)
                place.copy_(numbers, non_blocking=True)
                graph.replay()
                results = [result.clone() for result in made]
        outside.wait_stream(self.stream)
        return results

    def _record(
        self, inputs: Sequence[Tensor], numbers: Tensor
    ) -> tuple[torch.cuda.CUDAGraph, Tensor, Sequence[Tensor]]:
        graph, place = torch.cuda.CUDAGraph(), numbers.to(self.device)
        with torch.cuda.graph(graph, pool=self.memory, stream=self.stream):
            made = self.work(*unpack(place, inputs))
        return graph, place, made


def unpack(numbers: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Return Tensors of the shapes and types of `like` from `numbers`, in which they lie one after the other."""
    parts = numbers.split([part.numel() for part in like])
    return [part.view(one.shape).to(one.dtype) for part, one in zip(parts, like, strict=True)]

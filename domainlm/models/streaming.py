"""Running a model whose weights stay on the disk.

In: a checkpoint, an adapter or none, packed rows. Out: the last hidden states of the rows, as the whole model in float32
would compute them, bit by bit. The model is empty; before a layer runs its weights are read, and after it they are
dropped, so that memory holds one layer. All rows go through a layer before the next one is read: each row has a thread
of its own that waits at the next layer for the others (`_Walk`), and as many compute at a time as there are cores. Rows
in one batch would be other products, whose last bits differ with the number of rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from domainlm.contract import StageError
from domainlm.models.lora import with_fused_forward
from domainlm.models.parallel import use_one_thread
from domainlm.models.weights import Weights, empty_model, open_weights, read_parameters

if TYPE_CHECKING:
    import torch

R = TypeVar("R")
# rows that go through the model together; each keeps its hidden states
ROWS_TOGETHER = 16


@dataclass(frozen=True)
class Place:
    """Where a parameter belongs: a module of the bare model, and its attribute."""

    module: Any
    attribute: str


@dataclass(frozen=True)
class Streamed:
    """A model whose blocks are filled when they run.

    model: causal language model, empty outside its adapter. blocks: modules that are filled as one, with the names of
    their parameters. places: of all parameters, by name.
    """

    model: Any
    weights: Weights
    blocks: dict[Any, tuple[str, ...]]
    places: dict[str, Place]


def empty_adapted_model(base: Path, adapter: Path) -> Any:
    """peft's model of an empty base, its adapter in memory."""
    return _with_adapter(empty_model(base), adapter)


def open_streamed(folder: Path, adapter: Path | None) -> Streamed:
    """A checkpoint, with the adapter if there is one, ready to run."""
    model = empty_model(folder)
    weights = open_weights(folder)
    # before the adapter wraps modules: names are those of the bare model, the modules stay the same objects
    owners = dict(model.named_modules())
    stored = model.state_dict()
    places = {
        name: Place(owners[name.rpartition(".")[0]], name.rpartition(".")[2])
        for name in stored
        if weights.tied.get(name, name) in weights.groups
    }
    if adapter is not None:
        model = _with_adapter(model, adapter).get_base_model()
    found = list(_blocks(model))
    of_module = {id(module): block for block in found for module in block.modules()}
    blocks: dict[Any, list[str]] = {block: [] for block in found}
    always = []
    for name, place in places.items():
        block = of_module.get(id(place.module))
        if block is None or place.attribute in place.module._buffers:
            always.append(name)
        else:
            blocks[block].append(name)
    streamed = Streamed(model, weights, {block: tuple(names) for block, names in blocks.items() if names}, places)
    fill(streamed, always)
    return streamed


def fill(streamed: Streamed, names: Sequence[str]) -> None:
    """Read these parameters into the model."""
    import torch

    for name, tensor in read_parameters(streamed.weights, names).items():
        place = streamed.places[name]
        if place.attribute in place.module._buffers:
            place.module._buffers[place.attribute] = tensor
        else:
            place.module._parameters[place.attribute] = torch.nn.Parameter(tensor, requires_grad=False)


def empty(streamed: Streamed, names: Sequence[str]) -> None:
    """Drop these parameters."""
    import torch

    for name in names:
        place = streamed.places[name]
        value = torch.nn.Parameter(place.module._parameters[place.attribute].to("meta"), requires_grad=False)
        place.module._parameters[place.attribute] = value


def each_row(streamed: Streamed, work: Callable[[int], R], rows: Sequence[int], threads: int) -> Iterator[R]:
    """work(row) for each row, in order, in which the model may run once."""
    for start in range(0, len(rows), ROWS_TOGETHER):
        together = rows[start : start + ROWS_TOGETHER]
        walk = _Walk(len(together), threading.Semaphore(threads), streamed)
        with _hooks(streamed, walk), ThreadPoolExecutor(len(together), initializer=use_one_thread) as pool:
            # all start, or those that do would wait for the rest
            pending = [pool.submit(walk.run, work, row) for row in together]
        if walk.failure is not None:
            raise walk.failure
        yield from (each.result() for each in pending)


@dataclass
class _Walk:
    """Rows on their way through the blocks, one block at a time.

    current: the block that is filled. left: rows that are through with it, or will not come.
    """

    rows: int
    permits: threading.Semaphore
    streamed: Streamed
    changed: threading.Condition = field(default_factory=threading.Condition)
    current: Any = None
    left: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)
    failure: BaseException | None = None

    def run(self, work: Callable[[int], R], row: int) -> R:
        import torch

        with self.permits, torch.no_grad():
            try:
                return work(row)
            except BaseException as error:
                # not that of a row which had to stop for it
                self.failure = self.failure or error
                raise
            finally:
                with self.changed:
                    self.ended.add(threading.get_ident())
                    self._drop()

    def enter(self, block: Any) -> None:
        """Wait until the block is filled, or fill it."""
        me = threading.get_ident()
        self.permits.release()
        try:
            with self.changed:
                self.changed.wait_for(lambda: self.failure is not None or self._may_enter(me, block))
                if self.failure is not None:
                    raise self.failure
                if self.current is None:
                    fill(self.streamed, self.streamed.blocks[block])
                    self.current, self.left = block, set()
                    self.changed.notify_all()
        finally:
            self.permits.acquire()

    def leave(self) -> None:
        with self.changed:
            self.left.add(threading.get_ident())
            self._drop()

    def _may_enter(self, me: int, block: Any) -> bool:
        if self.current is block and me not in self.left:
            return True
        if self.current is not None:
            # this row is past the block that the others are at
            self.left.add(me)
            self._drop()
        return self.current is None

    def _drop(self) -> None:
        if self.current is not None and (self.failure is not None or len(self.left | self.ended) == self.rows):
            empty(self.streamed, self.streamed.blocks[self.current])
            self.current = None
        self.changed.notify_all()


@contextmanager
def _hooks(streamed: Streamed, walk: _Walk) -> Iterator[None]:
    handles = []
    for block in streamed.blocks:
        handles.append(block.register_forward_pre_hook(lambda module, inputs: walk.enter(module)))
        handles.append(block.register_forward_hook(lambda module, inputs, output: walk.leave()))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _blocks(module: Any) -> Iterator[Any]:
    """Modules that are filled as one: the layers of a list, and what lies beside the lists.

    Inside a layer modules may use each other's weights.
    """
    import torch

    if isinstance(module, torch.nn.ModuleList):
        for child in module:
            yield from _blocks(child) if isinstance(child, torch.nn.ModuleList) else (child,)
    elif any(isinstance(each, torch.nn.ModuleList) for each in module.modules()):
        for child in module.children():
            yield from _blocks(child)
    else:
        yield module


def _with_adapter(model: Any, folder: Path) -> Any:
    """The adapter on an empty model, with the forward pass that training has."""
    from peft import PeftModel
    from peft.tuners.lora.layer import LoraLayer
    from peft.utils.save_and_load import load_peft_weights, set_peft_model_state_dict

    adapted = PeftModel.from_pretrained(model, folder, low_cpu_mem_usage=True)
    # peft moved the adapter to the base's device, which is none: its weights are put into place again, and left there
    adapted.load_state_dict = partial(adapted.load_state_dict, assign=True)
    set_peft_model_state_dict(adapted, load_peft_weights(str(folder), device="cpu"))
    del adapted.load_state_dict
    own = {id(parameter) for parameter in _of_adapter(adapted)}
    lacking = [name for name, each in adapted.named_parameters() if id(each) in own and each.is_meta]
    if lacking:
        raise StageError(
            f"the adapter lacks {len(lacking)} weights, the first one {lacking[0]}; expected all of them: build pt_adapter again"
        )
    for parameter in _of_adapter(adapted):
        parameter.data = parameter.data.float()
    adapted.requires_grad_(False)
    layers = [each for each in adapted.modules() if isinstance(each, LoraLayer)]
    # the fused pass knows nothing of what DoRA does besides
    is_plain = not any(layer.lora_variant or any(layer.lora_bias.values()) for layer in layers)
    return (with_fused_forward(adapted) if is_plain else adapted).eval()


def _of_adapter(adapted: Any) -> Iterator[torch.Tensor]:
    from operator import attrgetter

    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    for module in adapted.modules():
        if isinstance(module, BaseTunerLayer | AuxiliaryTrainingWrapper):
            for name in module.adapter_layer_names:
                try:
                    part = attrgetter(name)(module)
                except AttributeError:
                    continue
                yield from part.parameters()

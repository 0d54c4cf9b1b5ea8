"""What is made smaller while training, computed on the answers' tokens alone."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from jobs.trainer.engines.lora.conversations import Tokens
from jobs.trainer.engines.lora.weights import device, has_bf16


def supervised(model: Any, batch: Sequence[Tokens]) -> tuple[Tensor, float]:
    """Mean cross-entropy of the answers' tokens, and the share of them that the model finds likeliest."""
    logits, labels, _ = _answers(model, batch)
    is_right = (logits.detach().argmax(-1) == labels).float().mean().item()
    return functional.cross_entropy(logits, labels), is_right


def preference(model: Any, batch: Sequence[tuple[Tokens, Tokens]], beta: float) -> tuple[Tensor, float]:
    """Direct preference optimisation (Rafailov and others, 2023): the better answer is to gain on the worse, seen from
    the base model, which is this model without its adapter. With it, the share of pairs where it does."""
    texts = [better for better, _ in batch] + [worse for _, worse in batch]
    with torch.no_grad(), model.disable_adapter():
        before = _log_likelihood(model, texts)
    gain = _log_likelihood(model, texts) - before
    better, worse = gain.split(len(batch))
    return -functional.logsigmoid(beta * (better - worse)).mean(), (better > worse).float().mean().item()


def _log_likelihood(model: Any, texts: Sequence[Tokens]) -> Tensor:
    """Of each text's labels together."""
    logits, labels, rows = _answers(model, texts)
    each = -functional.cross_entropy(logits, labels, reduction="none")
    return torch.zeros(len(texts), device=each.device).index_add(0, rows, each)


def _answers(model: Any, texts: Sequence[Tokens]) -> tuple[Tensor, Tensor, Tensor]:
    """For all labels: logits, the label, and which text it is of.

    The output layer is the largest by far and most places hold no label, so it is applied only where a text has one."""
    ids, mask, is_label = _padded(texts)
    with torch.autocast(ids.device.type, torch.bfloat16, enabled=has_bf16()):
        is_next = is_label[:, 1:]
        places = is_next.any(0).nonzero()[:, 0]
        read = model.get_base_model()(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=places)
        logits = read.logits[is_next[:, places]]
    return logits.float(), ids[:, 1:][is_next], is_next.nonzero()[:, 0]


def _padded(texts: Sequence[Tokens]) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, which of them are text, which are labels; padded on the right, where nothing looks at it."""
    longest = max(len(text.ids) for text in texts)
    ids = torch.zeros(len(texts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    is_label = torch.zeros_like(ids, dtype=torch.bool)
    for row, text in enumerate(texts):
        ids[row, : len(text.ids)] = torch.tensor(text.ids)
        mask[row, : len(text.ids)] = 1
        is_label[row, : len(text.ids)] = torch.tensor(text.is_label)
    return ids.to(device()), mask.to(device()), is_label.to(device())

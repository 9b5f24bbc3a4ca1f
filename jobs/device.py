"""The device and precision of a stage, through accelerate, and what makes a CPU result repeatable."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from jobs.context import log
from xtl.errors import XtlError


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where a stage computes and in what precision. Weights and moments stay float32; bf16 is autocast alone."""

    accelerator: Accelerator
    precision: str

    @property
    def torch(self) -> torch.device:
        return self.accelerator.device

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        return self.accelerator.autocast()

    def tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.torch)

    def describe(self) -> dict[str, Any]:
        kind = self.torch.type
        name = torch.cuda.get_device_name(self.torch) if kind == "cuda" else "cpu"
        return {"device": kind, "device_name": name, "precision": self.precision, "threads": torch.get_num_threads()}


def open_device(precision: str, threads: int) -> Device:
    """The accelerator there is. In a pod that asked for a GPU (`XTL_GPU=1`) and finds none, the node is at fault:
    XtlError, to be tried elsewhere."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(not torch.cuda.is_available())
    # Else torch fills every new tensor, so that one who reads it before writing gets the same twice. Nobody here does.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if os.environ.get("XTL_GPU") == "1" and not torch.cuda.is_available():
        raise XtlError("this pod asked for a GPU and torch finds none: a fault of the node or of the image's torch")
    accelerator = Accelerator(mixed_precision="bf16" if precision == "bf16" else "no")
    device = Device(accelerator=accelerator, precision=precision)
    log.info("computing on %s in %s, %d threads", device.describe()["device_name"], precision, threads)
    return device

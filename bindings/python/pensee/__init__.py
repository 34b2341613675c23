"""pensee: reasoning models on the CPU, thought and answer apart.

    import pensee

    model = pensee.Model("r1-distill-qwen-1.5b.gguf")
    print(model.ask("Is 221 prime?").answer)

    for event in model.generate("Is 221 prime?"):  # or: async for
        print(event.text, end="", flush=True)  # event.kind: "thought", "answer", "tool_call", "end"

Errors are pensee.Error with a `status`. Every function says which threads may call it; the GIL is released while the
library works, and Ctrl-C is heard.
"""

from . import _pensee
from ._errors import BadArgument, Error, FileNotFound, OutOfMemory, Status
from ._keywords import GenerateOptions, ModelOptions, Sampling, VoteOptions
from ._model import Model, Session
from ._stream import Stream
from ._types import (
    Activations,
    Alternative,
    Backend,
    CacheType,
    Effort,
    Event,
    EventKind,
    FinishReason,
    Memory,
    Message,
    ModelInfo,
    PackedFile,
    Prompt,
    Reply,
    Routing,
    Sampler,
    Speculation,
    ThreadPriority,
    TokenIds,
    ToolCall,
    ToolChoice,
    TrimLevel,
    Usage,
    Vote,
    VoteAnswer,
    Weighting,
)


def version() -> str:
    """Version of the native library that is loaded, "0.2.0"."""
    return _pensee.version_text()


__version__ = version()

__all__ = [
    "Activations",
    "Alternative",
    "Backend",
    "BadArgument",
    "CacheType",
    "Effort",
    "Error",
    "Event",
    "EventKind",
    "FileNotFound",
    "FinishReason",
    "GenerateOptions",
    "Memory",
    "Message",
    "Model",
    "ModelInfo",
    "ModelOptions",
    "OutOfMemory",
    "PackedFile",
    "Prompt",
    "Reply",
    "Routing",
    "Sampler",
    "Sampling",
    "Session",
    "Speculation",
    "Status",
    "Stream",
    "ThreadPriority",
    "TokenIds",
    "ToolCall",
    "ToolChoice",
    "TrimLevel",
    "Usage",
    "Vote",
    "VoteAnswer",
    "VoteOptions",
    "Weighting",
    "__version__",
    "version",
]

"""The tokenizer of pensee-mini: byte-level BPE of 1,024 tokens, Qwen2's split, which keeps every digit apart.

    python tokenizer.py [--documents 100000]     trains it on generated documents and writes tokenizer/

A digit a token lets arithmetic be learnt column by column. The files in tokenizer/ are committed: a changed generator
does not change the tokenizer of a trained model.
"""

import argparse
import json
import pathlib
import random
from collections.abc import Callable, Iterable, Iterator

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

FOLDER = pathlib.Path(__file__).resolve().parent / "tokenizer"
SPECIAL = ["<|pad|>", "<|end|>", "<|user|>", "<|assistant|>", "<think>", "</think>"]
PAD, END, USER, ASSISTANT, THINK, END_THINK = range(6)
SIZE = 1024
QWEN2_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
               r"|\s+(?!\S)|\s+")
# The last question and the exchange before it, as in the documents: no document has more turns, and none a system
# message. Earlier thoughts are left out.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- set left = messages|length - loop.index0 -%}"
    "{%- if message['role'] == 'user' and left <= 3 -%}"
    "{{- '<|user|>' + message['content'] -}}"
    "{%- elif message['role'] == 'assistant' and left <= 2 -%}"
    "{{- '<|assistant|>' + message['content'].split('</think>')[-1].lstrip('\\n') + '<|end|>' -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|><think>\\n' -}}{%- endif -%}")


def train(texts: Iterable[str], size: int = SIZE) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIAL, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() != size:
        raise ValueError(f"{tokenizer.get_vocab_size()} tokens were found in the documents, {size} are wanted")
    return tokenizer


def config() -> dict:
    """tokenizer_config.json."""
    return dict(
        tokenizer_class="Qwen2Tokenizer", bos_token=None, eos_token=SPECIAL[END], pad_token=SPECIAL[PAD],
        unk_token=None, add_bos_token=False, add_prefix_space=False, clean_up_tokenization_spaces=False,
        model_max_length=1024, chat_template=CHAT_TEMPLATE,
        added_tokens_decoder={str(i): dict(content=text, special=i not in (THINK, END_THINK), lstrip=False,
                                           rstrip=False, normalized=False, single_word=False)
                              for i, text in enumerate(SPECIAL)})


def generated(make: Callable[[random.Random], str], count: int, seed: str) -> Iterator[str]:
    """Documents without their tags: those are whole tokens already."""
    rng = random.Random(seed)
    for _ in range(count):
        text = make(rng)
        for tag in SPECIAL:
            text = text.replace(tag, "\0")
        yield from text.split("\0")


def load(folder: pathlib.Path = FOLDER) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def save(tokenizer: Tokenizer, folder: pathlib.Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    text = json.dumps(config(), indent=2, ensure_ascii=True) + "\n"
    (folder / "tokenizer_config.json").write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--seed", default="tokenizer")
    parser.add_argument("--out", type=pathlib.Path, default=FOLDER)
    args = parser.parse_args()
    import documents
    made = train(generated(documents.pretraining, args.documents, args.seed))
    save(made, args.out)
    texts = [documents.pretraining(random.Random(f"check {i}")) for i in range(1000)]
    ids = [encoding.ids for encoding in made.encode_batch(texts)]
    print(f"{args.out}: {made.get_vocab_size()} tokens; documents of {sum(map(len, ids)) / 1000:.1f} tokens, "
          f"{sum(map(len, texts)) / sum(map(len, ids)):.2f} characters a token")


if __name__ == "__main__":
    main()

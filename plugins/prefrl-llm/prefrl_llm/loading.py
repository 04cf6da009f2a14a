"""Model options in, a causal language model and its tokenizer out: from a folder or built here, never downloaded."""

from __future__ import annotations

import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from prefrl.errors import ConfigError, EnvironmentMissing
from prefrl_llm.options import BuiltOptions, ModelOptions

try:
    import peft
    import tokenizers
    import transformers
except ModuleNotFoundError as _error:
    raise EnvironmentMissing(
        f"prefrl-llm needs the package '{_error.name}', which is not installed: pip install transformers tokenizers peft."
    ) from _error

transformers.utils.logging.disable_progress_bar()  # a model of a run is small, or its user waits for it anyway

MARKS = {"pad_token": "<pad>", "bos_token": "<bos>", "eos_token": "<eos>", "sep_token": "<sep>"}


def load(options: ModelOptions, words: Sequence[str], seed: int, where: str) -> tuple[Any, Any]:
    """A float32 model in evaluation mode (no dropout) and its tokenizer; `words` are texts that a built one should be good at.

    Raises ConfigError, naming `where` in the configuration, for a folder that is none of a model or tokenizers that fit no
    model.
    """
    if options.path is None:
        tokenizer = make_tokenizer(words, options.built.vocabulary)
        model = _built(options.built, tokenizer, seed)
    else:
        with _folder(options.path, f"{where}.path") as folder:
            model = _read(transformers.AutoModelForCausalLM, folder, f"{where}.path", dtype=torch.float32)
            own = options.tokenizer is None
            tokenizer = _read(transformers.AutoTokenizer, folder, f"{where}.path") if own else None
    if options.tokenizer is not None:
        with _folder(options.tokenizer, f"{where}.tokenizer", "tokenizer_config.json") as folder:
            tokenizer = _read(transformers.AutoTokenizer, folder, f"{where}.tokenizer")
    _check(model, tokenizer, where)
    return model.eval(), tokenizer


def make_tokenizer(words: Sequence[str], vocabulary: int) -> Any:
    """Byte-level byte-pair encoding of `words`: every text has tokens, and decoding gives it back (Sennrich et al. 2016)."""
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE())
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=1,
        show_progress=False,
        special_tokens=list(MARKS.values()),
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )
    bpe.train_from_iterator(words, trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=bpe, clean_up_tokenization_spaces=False, split_special_tokens=True, **MARKS
    )


def adapted(model: Any, options: ModelOptions, seed: int) -> Any:
    """`model` with fresh adapters, which change nothing before they are trained; its own weights are frozen."""
    assert options.lora is not None
    kernels = any(isinstance(module, transformers.pytorch_utils.Conv1D) for module in model.modules())
    config = peft.LoraConfig(
        task_type="CAUSAL_LM",
        r=options.lora.rank,
        lora_alpha=options.lora.alpha,
        lora_dropout=0.0,
        target_modules=list(options.lora.modules) or "all-linear",
        fan_in_fan_out=kernels,  # GPT-2 keeps its matrices the other way round
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)  # peft's own
        torch.manual_seed(seed)
        return peft.get_peft_model(model, config).eval()


def _built(options: BuiltOptions, tokenizer: Any, seed: int) -> Any:
    given = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    # at a width of 768 the usual 0.02 is 0.55 / sqrt(width); narrow models need as much, or no adapter can sharpen them
    given["initializer_range"] = 0.8 * options.width**-0.5
    config: Any
    if options.architecture == "gpt2":
        config = transformers.GPT2Config(
            vocab_size=len(tokenizer), n_positions=options.context, n_embd=options.width, n_layer=options.layers,
            n_head=options.heads, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, **given,
        )  # fmt: skip
    else:
        config = transformers.LlamaConfig(
            vocab_size=len(tokenizer), max_position_embeddings=options.context, hidden_size=options.width,
            intermediate_size=4 * options.width, num_hidden_layers=options.layers, num_attention_heads=options.heads,
            num_key_value_heads=options.heads, tie_word_embeddings=True, **given,
        )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return transformers.AutoModelForCausalLM.from_config(config)


@contextmanager
def _folder(name: str, where: str, proof: str = "config.json") -> Iterator[Path]:
    """The folder of a model or tokenizer; of a run of ours, what its model.zip holds."""
    path = Path(name)
    packed = path / "model.zip" if (path / "model.zip").is_file() else path
    if packed.suffix == ".zip" and packed.is_file():
        with tempfile.TemporaryDirectory(prefix="prefrl-llm-") as folder:
            with zipfile.ZipFile(packed) as archive:
                archive.extractall(folder)
            yield _proven(Path(folder), name, where, proof)
    else:
        yield _proven(path, name, where, proof)


def _proven(folder: Path, name: str, where: str, proof: str) -> Path:
    if not (folder / proof).is_file():
        there = f"holds no {proof}" if folder.is_dir() else "does not exist"
        raise ConfigError(
            f"{where}: '{name}' {there}; give the folder of a model that is on this machine (nothing is downloaded), or "
            f"leave it out to build a small one."
        )
    return folder


def _read(kind: Any, folder: Path, where: str, **more: Any) -> Any:
    """What `kind` makes of a folder; its own errors are sentences about the user's files."""
    try:
        return kind.from_pretrained(folder, local_files_only=True, **more)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, ImportError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigError(f"{where}: {folder} cannot be read as {kind.__name__}: {first}") from error


def _check(model: Any, tokenizer: Any, where: str) -> None:
    known = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > known:
        raise ConfigError(
            f"{where}.tokenizer: it gives token numbers up to {len(tokenizer) - 1}, and the model knows {known}; use the "
            f"tokenizer that the model was trained with."
        )
    if tokenizer.eos_token_id is None:
        raise ConfigError(f"{where}.tokenizer: it has no token that ends a text; use one of a causal model.")


def save(model: Any, tokenizer: Any, path: Path) -> None:
    """One zip of the folder that `from_pretrained` reads, adapters merged into the weights of a copy."""
    with tempfile.TemporaryDirectory(prefix="prefrl-llm-") as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(Path(folder).iterdir()):
                archive.write(file, file.name)

"""Log-probabilities are those of the text, whatever stands beside it; the reference is what the model was, bit for bit."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prefrl.errors import ConfigError
from prefrl_llm import loading
from prefrl_llm.language import Language, padded
from prefrl_llm.options import BuiltOptions, LearnerOptions, LoraOptions

WORDS = ["the ball is top left", "go to the pad", "stop"]
PROMPTS = ["the ball is", "go", "a much longer prompt with words that nobody taught: über"]
SAID = ["top left", "stop", "a path of several words"]


def language(architecture: Any = "gpt2", **changes: Any) -> Language:
    built = BuiltOptions(architecture=architecture, layers=2, width=32, heads=2, context=128)
    return Language(LearnerOptions(built=built, **changes), WORDS, 3, "cpu", "algo")


def shaken(model: Language) -> Language:
    """As if something had been learned."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.network.parameters():
            if weight.requires_grad:
                weight.add_(0.05 * torch.randn(weight.shape, generator=generator))
    return model


def one_by_one(model: Language, prompt: str, said: str) -> float:
    """The sum over tokens of log softmax of the logits before each: no batch, no padding, no mask."""
    first = [model.tokenizer.bos_token_id, *model.tokenizer.encode(prompt)]
    ids = [*first, *model.tokenizer.encode(said), model.tokenizer.eos_token_id]
    with torch.no_grad():
        each = model.network(torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(float(each[place - 1, ids[place]]) for place in range(len(first), len(ids)))


def scored(model: Language, prompts: list[str], said: list[str], **how: Any) -> torch.Tensor:
    completion = model.completions(said)
    with torch.no_grad():
        return model.log_probs(model.prompts(prompts, completion.ids.shape[1]), completion, **how)


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_a_batch_says_what_each_text_alone_would(architecture: str) -> None:
    model = shaken(language(architecture))
    together = scored(model, PROMPTS, SAID).sum(1)
    alone = [one_by_one(model, prompt, said) for prompt, said in zip(PROMPTS, SAID, strict=True)]
    assert torch.allclose(together, torch.tensor(alone), atol=1e-4)


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_padding_changes_nothing(architecture: str) -> None:
    model = shaken(language(architecture, chunk=2))
    for prompt, said, row in zip(PROMPTS, SAID, scored(model, PROMPTS, SAID), strict=True):
        single = scored(model, [prompt], [said])[0]
        assert torch.allclose(row[: len(single)], single, atol=1e-5)
        assert (row[len(single) :] == 0).all()


def test_a_model_without_logits_to_keep_says_the_same() -> None:
    model = shaken(language())
    few = scored(model, PROMPTS, SAID)
    model._keeps_few = False
    assert torch.allclose(scored(model, PROMPTS, SAID), few, atol=1e-6)


# --- the reference ---


def test_adapters_change_nothing_until_they_learn_and_the_reference_never_changes() -> None:
    model = language()
    model.freeze()
    shaken(model)  # what supervised learning does
    before = copy.deepcopy(model)
    model.freeze()
    fresh, reference = scored(model, PROMPTS, SAID), scored(model, PROMPTS, SAID, reference=True)
    assert torch.equal(fresh, reference)  # so that DPO begins at ln 2
    assert torch.equal(reference, scored(before, PROMPTS, SAID))
    learned = {name for name, weight in model.network.named_parameters() if weight.requires_grad}
    assert learned
    assert all("lora_" in name for name in learned)
    shaken(model)
    assert torch.equal(scored(model, PROMPTS, SAID, reference=True), reference)
    assert not torch.allclose(scored(model, PROMPTS, SAID), reference, atol=1e-3)


def test_freezing_again_keeps_what_was_learned() -> None:
    model = shaken(language())
    model.freeze()
    shaken(model)
    now = scored(model, PROMPTS, SAID)
    model.freeze()
    assert torch.allclose(scored(model, PROMPTS, SAID, reference=True), now, atol=1e-4)
    assert torch.equal(scored(model, PROMPTS, SAID), scored(model, PROMPTS, SAID, reference=True))


def test_without_adapters_all_weights_learn_beside_a_frozen_copy() -> None:
    model = shaken(language(lora=None))
    model.freeze()
    reference = scored(model, PROMPTS, SAID, reference=True)
    assert all(weight.requires_grad for weight in model.network.parameters())
    shaken(model)
    assert torch.equal(scored(model, PROMPTS, SAID, reference=True), reference)
    assert not torch.allclose(scored(model, PROMPTS, SAID), reference, atol=1e-3)


def test_a_reset_returns_to_the_reference() -> None:
    for lora in (None, LoraOptions(rank=4)):
        model = shaken(language(lora=lora))
        model.freeze()
        before = scored(model, PROMPTS, SAID)
        shaken(model)
        model.load_state_dict(model.state_dict(reference=True))
        assert torch.equal(scored(model, PROMPTS, SAID), before)


def test_the_same_seed_builds_the_same_model_and_leaves_torch_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, other = language(), language()
    one.freeze()
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(scored(one, PROMPTS, SAID), scored(other, PROMPTS, SAID))


# --- tokens ---


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40))
def test_every_text_comes_back_from_its_tokens(text: str) -> None:
    tokenizer = TOKENIZER
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


TOKENIZER = loading.make_tokenizer(WORDS, 300)


def test_words_of_the_run_are_single_tokens() -> None:
    assert len(TOKENIZER.encode("the ball is top left")) < len("the ball is top left") / 2
    assert len(loading.make_tokenizer([], 300)) == 260  # bytes and marks


def test_prompts_lose_their_beginning_and_completions_nothing() -> None:
    model = language()
    prompts = model.prompts(["stop " * 80 + "go to the pad"], 4)
    assert prompts.length.tolist() == [124]
    assert model.tokenizer.decode(prompts.ids[0]).endswith("go to the pad")
    assert prompts.ids[0, 0] == model.tokenizer.bos_token_id
    with pytest.raises(ConfigError, match="the model reads 128 tokens, and a completion alone has 130"):
        model.prompts(["go"], 130)


def test_padding_never_counts() -> None:
    tokens = padded([[5, 6, 7], [8]], 2)
    assert tokens.ids.tolist() == [[5, 6, 7], [8, 2, 2]]
    assert tokens.length.tolist() == [3, 1]


# --- files ---


def saved(model: Language, folder: Path) -> Path:
    model.network.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder


def test_a_folder_of_hugging_faces_is_read(tmp_path: Path) -> None:
    model = shaken(language())
    read = Language(LearnerOptions(path=str(saved(model, tmp_path / "gpt"))), [], 0, "cpu", "algo")
    assert torch.allclose(scored(read, PROMPTS, SAID), scored(model, PROMPTS, SAID), atol=1e-6)
    assert hasattr(read.network, "disable_adapter")  # supervised learning, too, moves adapters alone


def test_what_is_saved_is_read_and_holds_what_adapters_learned(tmp_path: Path) -> None:
    model = shaken(language())
    model.freeze()
    shaken(model)
    model.save(tmp_path / "model.zip")
    for name in (tmp_path, tmp_path / "model.zip"):
        read = Language(LearnerOptions(path=str(name)), [], 0, "cpu", "algo")
        assert torch.allclose(scored(read, PROMPTS, SAID), scored(model, PROMPTS, SAID), atol=1e-4)
    assert hasattr(model.network, "disable_adapter")  # saving merged a copy


@pytest.mark.parametrize("key", ["path", "tokenizer"])
def test_a_folder_that_is_not_there_is_a_sentence(key: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"^algo\.{key}: '.*nowhere' does not exist; give the folder"):
        Language(LearnerOptions(**{key: str(tmp_path / "nowhere")}), [], 0, "cpu", "algo")
    with pytest.raises(ConfigError, match=rf"^algo\.{key}: '.*' holds no \w+\.json"):
        Language(LearnerOptions(**{key: str(tmp_path)}), [], 0, "cpu", "algo")


def test_a_damaged_folder_is_a_sentence(tmp_path: Path) -> None:
    folder = saved(language(), tmp_path / "gpt")
    (folder / "config.json").write_text('{"model_type": "no such thing"}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^algo\.path: .* cannot be read as AutoModelForCausalLM: "):
        Language(LearnerOptions(path=str(folder)), [], 0, "cpu", "algo")


def test_a_tokenizer_of_another_model_is_a_sentence(tmp_path: Path) -> None:
    folder = saved(language(), tmp_path / "small")
    big = loading.make_tokenizer([f"w{i:04d}" for i in range(900)], 1200)
    big.save_pretrained(tmp_path / "big")
    with pytest.raises(
        ConfigError, match=r"^algo\.tokenizer: it gives token numbers up to \d+, and the model knows \d+; "
    ):
        Language(LearnerOptions(path=str(folder), tokenizer=str(tmp_path / "big")), [], 0, "cpu", "algo")


def test_a_tokenizer_that_ends_no_text_is_a_sentence(tmp_path: Path) -> None:
    folder = saved(language(), tmp_path / "gpt")
    settings_file = folder / "tokenizer_config.json"
    known = json.loads(settings_file.read_text(encoding="utf-8"))
    settings_file.write_text(json.dumps({k: v for k, v in known.items() if k != "eos_token"}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^algo\.tokenizer: it has no token that ends a text"):
        Language(LearnerOptions(path=str(folder)), [], 0, "cpu", "algo")


def test_without_transformers_prefrl_works_and_the_learner_says_what_to_install() -> None:
    code = """
import sys
sys.modules["transformers"] = None
from prefrl.plugins import PluginHost
host = PluginHost.from_environment()
spec = host.spec("learners", "llm")
try:
    spec.build(spec.options(), None)
except Exception as error:
    print(type(error).__name__, error, getattr(error, "exit_code", None))
print({"llm", "ppo", "sac", "td3"} <= set(host.specs("learners")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "EnvironmentMissing prefrl-llm needs the package 'transformers', which is not installed: "
        "pip install transformers tokenizers peft. 3"
    )
    assert lines[1] == "True"

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from prefrl import config
from prefrl.doors import Found, PluginRecord
from prefrl.errors import ConfigError, PluginError, PrefrlError
from prefrl.options import Options
from prefrl.plugins import PluginHost
from prefrl.specs import (
    AugmentationSpec,
    BonusSpec,
    LabelFilterSpec,
    LearnerSpec,
    LossSpec,
    PretrainerSpec,
    ProcedureSpec,
    RewardModelSpec,
    SelectorSpec,
    SourceSpec,
    Spec,
    hookimpl,
)
from prefrl.tree import parse as tree_of
from prefrl.zoo import PolicyKwargs, Schedule


class Ppo(Options):
    learning_rate: Schedule = 3e-4
    policy_kwargs: PolicyKwargs = {}
    gamma: float = 0.99


class Teacher(Options):
    error: float = Field(0.0, ge=0, le=1)
    notes: Path = Path("notes")


class Smooth(Options):
    smoothing: float = 0.0


class Crop(Options):
    steps: int = 3
    pad: bool = False


def one(kind: type[Spec], name: str, options: type[Options] = Options) -> list[Spec]:
    return [kind(name=name, summary=f"a {name}", build=dict, options=options)]


class Lab:
    """One of everything, so that these tests stand on no built-in."""

    prefrl_register_learners = hookimpl(lambda self: one(LearnerSpec, "ppo", Ppo))
    prefrl_register_sources = hookimpl(lambda self: one(SourceSpec, "oracle", Teacher))
    prefrl_register_procedures = hookimpl(lambda self: one(ProcedureSpec, "online"))
    prefrl_register_pretrainers = hookimpl(lambda self: one(PretrainerSpec, "random"))
    prefrl_register_selectors = hookimpl(lambda self: one(SelectorSpec, "disagreement"))
    prefrl_register_reward_models = hookimpl(lambda self: one(RewardModelSpec, "ensemble"))
    prefrl_register_augmentations = hookimpl(lambda self: one(AugmentationSpec, "crop", Crop))
    prefrl_register_bonuses = hookimpl(lambda self: one(BonusSpec, "novelty"))
    prefrl_register_label_filters = hookimpl(lambda self: one(LabelFilterSpec, "rime"))

    @hookimpl
    def prefrl_register_losses(self) -> list[Spec]:
        return one(LossSpec, "bradley_terry", Smooth) + one(LossSpec, "center")


def lab() -> PluginHost:
    host = PluginHost(strict=True)
    host.admit(Found(PluginRecord("lab", "lab", "1"), Lab))
    return host


@pytest.fixture
def host() -> PluginHost:
    return lab()


RUN = """\
env: {id: HalfCheetah-v5, termination: off}
algo: {n_timesteps: 200_000, learning_rate: 2.06e-4}
sources:
  oracle:
  careful: {use: oracle, weight: 0.5, error: 0.1}
reward: {loss: {name: bradley_terry, smoothing: 0.05}, augment: {crop: 5}}
"""


def resolve(tmp_path: Path, host: PluginHost, text: str = RUN, *sets: str) -> config.RunSettings:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return config.resolve(config.read(path, sets), host)


def mistake(tmp_path: Path, host: PluginHost, *sets: str, text: str = RUN) -> str:
    with pytest.raises(PrefrlError) as raised:
        resolve(tmp_path, host, text, *sets)
    return str(raised.value).replace(str(tmp_path), ".")


def test_sections_split_into_the_hosts_keys_and_the_plugins_options(tmp_path: Path, host: PluginHost) -> None:
    run = resolve(tmp_path, host)
    assert run.env.termination == "off"
    assert (run.algo.name, run.algo.n_timesteps) == ("ppo", 200_000)
    assert run.algo.options == Ppo(learning_rate=2.06e-4)
    assert run.sources["oracle"].use == "oracle"
    assert run.sources["oracle"].options == Teacher()
    assert (run.sources["careful"].weight, run.sources["careful"].options) == (0.5, Teacher(error=0.1))
    assert run.pretrain is not None
    assert run.procedure.name == "online"


def test_choices_hold_names_with_their_options(tmp_path: Path, host: PluginHost) -> None:
    run = resolve(tmp_path, host)
    (loss,) = run.reward.loss
    assert (loss.name, loss.coef, loss.options) == ("bradley_terry", 1.0, Smooth(smoothing=0.05))
    (crop,) = run.reward.augment
    assert crop.options == Crop(steps=5)
    assert run.reward.filters == run.relabel.bonus == ()


@pytest.mark.parametrize(
    ("written", "names", "coefs"),
    [
        ("bradley_terry", ["bradley_terry"], [1]),
        ("{name: center, coef: 0.1}", ["center"], [0.1]),
        ("{center: , bradley_terry: {smoothing: 0.1}}", ["center", "bradley_terry"], [1, 1]),
        ("{bradley_terry: 0.1}", ["bradley_terry"], [1]),
        ("[bradley_terry, {name: center, coef: 2}]", ["bradley_terry", "center"], [1, 2]),
    ],
)
def test_a_choice_may_be_written_in_every_natural_way(
    tmp_path: Path, host: PluginHost, written: str, names: list[str], coefs: list[float]
) -> None:
    losses = resolve(tmp_path, host, RUN, f"reward.loss={written}").reward.loss
    assert [loss.name for loss in losses] == names
    assert [loss.coef for loss in losses] == coefs


def test_defaults_have_the_options_of_what_they_name(tmp_path: Path, host: PluginHost) -> None:
    run = resolve(tmp_path, host, "env: {id: A}\nalgo: {}")
    assert run.algo.options == Ppo()
    assert run.reward.loss[0].options == Smooth()
    assert run.sources == {}
    assert resolve(tmp_path, host, RUN, "pretrain=").pretrain is None
    assert resolve(tmp_path, host, RUN, "feedback=").feedback.total == 200


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("envv.id=3", "envv: unknown key. Allowed: algo, checkpoint, env, "),
        ("env.idd=3", "env.idd: unknown key. Allowed: backend, id, kwargs, n_envs, termination, user. Did you mean 'id'?"),
        ("algo.gama=1", "algo.gama: unknown key. Allowed: gamma, learning_rate, n_timesteps, name, normalize, policy_kwargs, replay. Did you mean 'gamma'?"),
        ("sources.oracle.eror=1", "sources.oracle.eror: unknown key. Allowed: budget, error, hindsight, notes, order, overlap, use, wait, weight. Did you mean 'error'?"),
        ("reward.fit.epoch=1", "reward.fit.epoch: unknown key. Allowed: batch_size, epochs, "),
        ("reward.loss.smooth=1", "reward.loss.smooth: unknown key. Allowed: coef, name, smoothing."),
        ("algo.n_timesteps=abc", "algo.n_timesteps: input should be a valid integer, unable to parse string as an integer, not 'abc'."),
        ("run.seed=1.5", "run.seed: input should be a valid integer"),
        ("algo.gamma=.nan", "algo.gamma: input should be a finite number, not nan."),
        ("env.termination=kep", "env.termination: 'kep' is not allowed. Allowed: absorb, keep, off. Did you mean 'keep'?"),
        ("sources.careful.error=2", "sources.careful.error: input should be less than or equal to 1, not 2."),
        ("algo.learning_rate=linear", "algo.learning_rate: 'linear' is neither a number nor a linear schedule such as 'lin_7.3e-4'."),
        ("algo.policy_kwargs=exec()", "algo.policy_kwargs: 'exec()' is neither a plain value nor a known activation"),
        ("algo.learning_rate=lin_nan", "algo.learning_rate: 'lin_nan' is not a finite number from 0 on, nor a linear schedule of one."),
        ("algo.policy_kwargs={activation_fn: Relu}", "algo.policy_kwargs: no activation named 'Relu'. Allowed: ELU, LeakyReLU, ReLU, SiLU, Tanh. Did you mean 'ReLU'?"),
        ("sources.oracle.notes=3", "sources.oracle.notes: a path is expected, not 3."),
        ("reward.loss={bradley_terry: {name: center}}", "it is named 'bradley_terry' already; leave out 'name'."),
        ("reward.augment={crop: [3]}", "reward.augment.steps: input should be a valid integer, not [3]."),
        ("pretrain=3", "pretrain: a mapping of keys is expected, not 3."),
        ("sources=3", "sources: a mapping of keys is expected, not 3."),
        ("sources=[oracle]", "sources: a mapping of keys is expected, not ['oracle']."),
        ("queries.selector=3", "queries.selector: input should be a valid string, not 3."),
        ("reward.filters=3", "reward.filters: a name, or a mapping with 'name' and its options."),
        ("reward.loss=[]", "reward.loss: "),
        ("reward.loss.coef=x", "reward.loss.coef: input should be a valid number"),
        ("env=", "env.id: is required."),
        ("plugins=3", "plugins: "),
    ],
)  # fmt: skip
def test_a_mistake_says_where_what_allowed_and_nearest(
    tmp_path: Path, host: PluginHost, argument: str, said: str
) -> None:
    assert f"--set {argument}: {said}" in mistake(tmp_path, host, argument)


def test_a_message_ends_once_and_stays_on_its_line(tmp_path: Path, host: PluginHost) -> None:
    said = mistake(tmp_path, host, "algo.policy_kwargs=nn.Relu")
    assert said.endswith("Did you mean 'ReLU'?")
    said = mistake(tmp_path, host, text=RUN + '"a\\nb": 1\nqueries: {selector: "x\\ny"}\n')
    assert [line.split(" ")[0] for line in said.splitlines()] == ["./run.yaml:8:21:", "./run.yaml:7:1:"]


def test_places_in_files_and_several_mistakes_at_once(tmp_path: Path, host: PluginHost) -> None:
    text = RUN.replace("weight: 0.5", "wieght: 0.5").replace("termination: off", "n_envs: many")
    said = mistake(tmp_path, host, text=text).splitlines()
    assert said[0].startswith("./run.yaml:5:26: sources.careful.wieght: unknown key.")
    assert said[1].startswith("./run.yaml:1:35: env.n_envs: input should be a valid integer")
    assert len(said) == 2


def test_a_missing_section_is_required(tmp_path: Path, host: PluginHost) -> None:
    assert mistake(tmp_path, host, text="env: {id: A}") == "./run.yaml:1:1: algo: is required."


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        (
            "sources.orcale=",
            "sources.orcale.use: no preference source named 'orcale'. Allowed: oracle. Did you mean 'oracle'?",
        ),
        ("algo.name=pqo", "algo.name: no learner named 'pqo'. Allowed: ppo. Did you mean 'ppo'?"),
        ("reward.loss=bradley_tery", "reward.loss.name: no loss named 'bradley_tery'. Allowed: bradley_terry, center."),
    ],
)
def test_an_unknown_name_is_the_plugin_errors_with_its_place(
    tmp_path: Path, host: PluginHost, argument: str, said: str
) -> None:
    with pytest.raises(PluginError) as raised:
        resolve(tmp_path, host, RUN, argument)
    assert f"--set {argument}: {said}" in str(raised.value)


def test_plugins_are_known_before_anything_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("plugins: [my_lab.teacher, other]\nenvv: 3", encoding="utf-8")
    assert config.plugins_of(config.read(path)) == ("my_lab.teacher", "other")
    path.write_text("env: {}", encoding="utf-8")
    assert config.plugins_of(config.read(path)) == ()
    for wrong in ("plugins: my_lab", "plugins: [3]"):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(ConfigError, match=r"run\.yaml:1:10: plugins: a list of module names"):
            config.plugins_of(config.read(path))


@pytest.mark.parametrize(
    "sets",
    [
        (),
        (
            "reward.loss=[bradley_terry, {name: center, coef: 2}]",
            "relabel.bonus=novelty",
            "reward.filters=[rime, rime]",
        ),
        ("pretrain=", "queries.window=", "run.name='3e4'", "render.camera=off", "algo.learning_rate=lin_1e-5"),
        (
            "algo.policy_kwargs=dict(net_arch=[8], activation_fn=nn.ReLU)",
            "env.kwargs={a: '1e5', b: '010', c: 1e-9, d: '12:30'}",
        ),
    ],
)
def test_the_resolved_yaml_gives_the_same_settings(tmp_path: Path, host: PluginHost, sets: tuple[str, ...]) -> None:
    first = resolve(tmp_path, host, RUN, *sets)
    text = config.dump(first)
    assert resolve(tmp_path, host, text) == first
    assert config.dump(resolve(tmp_path, host, text)) == text
    assert yaml.safe_load(text)["env"]["termination"] == "off"  # other readers follow YAML 1.1


def test_every_value_tells_its_origin(tmp_path: Path, host: PluginHost) -> None:
    (tmp_path / "base.yaml").write_text("algo: {gamma: 0.9}", encoding="utf-8")
    path = tmp_path / "run.yaml"
    path.write_text("extends: base.yaml\n" + RUN, encoding="utf-8")
    found = {
        one.key: (one.value, str(one.mark).replace(f"{tmp_path}/", ""))
        for one in config.origins(config.read(path, ["run.seed=7"]), host)
    }
    assert found["algo.gamma"] == (0.9, "base.yaml:1:15")
    assert found["algo.n_timesteps"] == (200_000, "run.yaml:3:21")
    assert found["run.seed"] == (7, "--set run.seed=7")
    assert found["sources.oracle.error"] == (0.0, "default")
    assert found["reward.augment.steps"] == (5, "run.yaml:7:72")
    assert found["reward.loss.smoothing"] == (0.05, "run.yaml:7:49")
    assert found["pretrain.steps"] == (8_000, "default")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_to_a_valid_file_ends_in_a_traceback(data: st.DataObject) -> None:
    lines = RUN.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        row = data.draw(st.integers(0, len(lines) - 1))
        column = data.draw(st.integers(0, len(lines[row])))
        insert = data.draw(
            st.sampled_from(
                ["", "x", ":", "{", "}", "[", "- ", "3", "null", "!", "&a ", "*a", "'", "~: ", ", a: 1", "\t"]
            )
        )
        lines[row] = lines[row][:column] + insert + lines[row][column + data.draw(st.integers(0, 3)) :]
    tree = None
    try:
        tree = tree_of("\n".join(lines), "a.yaml")
        config.plugins_of(tree)
        config.resolve(tree, lab())
    except PrefrlError as error:
        assert str(error)  # noqa: PT017  either outcome is fine; any other exception fails the test


def test_a_section_that_is_off_unless_written_stays_off(tmp_path: Path, host: PluginHost) -> None:
    assert resolve(tmp_path, host).reward.unlabelled is None
    written = resolve(tmp_path, host, RUN, "reward.unlabelled.pairs=7").reward.unlabelled
    assert written is not None
    assert (written.pairs, written.threshold) == (7, 0.99)

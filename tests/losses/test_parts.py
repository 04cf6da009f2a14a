"""What the parts declare of themselves: which inputs they read under which settings, what they assume, what is refused."""

import pytest
import torch
from pydantic import ValidationError

from prefrl.losses import Kind, Labels, Scores, parts
from prefrl.losses.options import BradleyTerryOptions
from prefrl.losses.pairwise import build

TABLES = {
    "link": parts.LINKS,
    "transform": parts.TRANSFORMS,
    "label_tf": parts.LABEL_TRANSFORMS,
    "pair_weight": parts.PAIR_WEIGHTS,
    "regulariser": parts.REGULARISERS,
}
EVERY = [(table, name) for table, models in TABLES.items() for name in models]


@pytest.mark.parametrize(("table", "name"), EVERY)
def test_defaults_are_valid_frozen_and_say_what_they_are(table, name):
    model = TABLES[table][name]
    made = model()
    assert model.__doc__
    assert isinstance(made.requires(), frozenset)
    assert isinstance(made.shift_invariant(), bool)
    for field in type(made).model_fields:
        with pytest.raises(ValidationError):
            setattr(made, field, getattr(made, field))


@pytest.mark.parametrize(
    ("made", "needed"),
    [
        (parts.LogRatio(), {"ref_logp"}),
        (parts.LogRatio(norm="mean"), {"ref_logp", "length"}),
        (parts.AverageLogp(), {"length"}),
        (parts.LogOdds(), {"length"}),
        (parts.OtherObjectives(), {"others"}),
        (parts.OtherObjectives(weights=(1.0,)), set()),
        (parts.OtherObjectives(weights=(1.0, 0.0)), set()),
        (parts.MixtureReference(), {"ref_logp", "prev_logp"}),
        (parts.MixtureReference(share=1.0), {"ref_logp"}),
        (parts.MixtureReference(share=0.0), {"prev_logp"}),
        (parts.PolicyLikelihood(), {"length"}),
        (parts.Nll(), {"nll", "length"}),
        (parts.Nll(norm="sum"), {"nll"}),
        (parts.BehaviourCloning(), {"length"}),
        (parts.Optimism(), {"resp_logratio"}),
        (parts.KlReference(), {"ref_logp"}),
        (parts.Rationale(), {"rationale_nll"}),
        (parts.Contrastive(), {"embed", "embed_view"}),
        (parts.LatentKl(), {"latent_mu", "latent_logvar"}),
        (parts.Temperature(), set()),
    ],
)
def test_what_is_read_depends_on_the_settings(made, needed):
    assert made.requires() == needed


@pytest.mark.parametrize(
    ("model", "settings", "words"),
    [
        (parts.NoiseFloor, {"epsilon": 0.0}, "greater than 0"),
        (parts.NoiseFloor, {"epsilon": 1.0}, "less than 1"),
        (parts.Robust, {"epsilon": 0.5}, "less than 0.5"),
        (parts.Biased, {"bias": 1.5}, "less than or equal to 1"),
        (parts.RaoKupper, {"nu": 1.0}, "greater than 1"),
        (parts.FDivergence, {"alpha": 0.3}, "alpha has no effect on the divergence 'jensen_shannon'"),
        (parts.OtherObjectives, {"weights": (0.5, 0.4)}, "sum to 1"),
        (parts.OtherObjectives, {"weights": (0.0, 1.0)}, "the first be positive"),
        (parts.OtherObjectives, {"weights": (1.5, -0.5)}, "non-negative"),
        (parts.MixtureReference, {"share": 1.1}, "less than or equal to 1"),
        (parts.Temperature, {"tau": 0.0}, "greater than 0"),
        (parts.Focal, {"gamma": -1.0}, "greater than or equal to 0"),
    ],
)
def test_settings_without_meaning_are_refused(model, settings, words):
    with pytest.raises(ValidationError, match=words):
        model(**settings)


def test_alpha_belongs_to_the_alpha_divergence():
    assert parts.FDivergence(divergence="alpha", alpha=0.3).alpha == 0.3
    assert parts.FDivergence(divergence="reverse_kl").shift_invariant()
    assert not parts.FDivergence(divergence="alpha").shift_invariant()


@pytest.mark.parametrize("name", sorted(parts.LINKS))
def test_a_link_that_calls_itself_shift_invariant_is(name):
    options = BradleyTerryOptions(link=name)
    scores, labels = torch.tensor([[0.4, -0.2], [1.0, 2.0]], dtype=torch.float64), Labels(Kind.PAIR, pref=torch.ones(2))
    one, moved = (build(options)(Scores.of(s), labels).loss for s in (scores, scores + 3.0))
    assert torch.allclose(one, moved) == options.link.options.shift_invariant()


def test_who_assumes_wrong_answers_and_who_reads_votes_is_declared():
    corrects = {name for name, model in parts.LINKS.items() if model.corrects_noise}
    assert corrects == {"noise_floor", "robust"}
    corrects = {name for name, model in parts.LABEL_TRANSFORMS.items() if model.corrects_noise}
    assert corrects == {"smooth_flip", "smooth_uniform", "flip_by_votes", "soft_from_votes"}
    softens = {name for name, model in parts.LABEL_TRANSFORMS.items() if model.softens}
    assert softens == {"smooth_flip", "smooth_uniform", "soft_from_votes"}
    voters = {name for name, model in parts.LABEL_TRANSFORMS.items() if model.by_votes}
    assert voters == {"flip_by_votes", "soft_from_votes", "margin_from_votes"}
    assert {name: model.ties for name, model in parts.LINKS.items() if model.ties != "half"} == {
        "robust": "drop", "rao_kupper": "model", "davidson": "model",
    }  # fmt: skip

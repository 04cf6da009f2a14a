"""The built-in losses as plain keyword arguments of a loss spec; importing this imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from prefrl.losses import options, parts, policy_options
from prefrl.losses.part import PartOptions
from prefrl.options import Options

ORDERS = frozenset({"pair", "choice", "ranking", "grade"})
ANY = ORDERS | {"binary", "similarity"}


def losses() -> tuple[dict[str, Any], ...]:
    """name, summary, options, build, kinds, requires, paper, shift_invariant and batch_coupled of every loss."""
    return (*_over_scores(), *_over_policies(), *_of_items(), *_regularisers(), *_of_reasons())


def _over_scores() -> Iterator[dict[str, Any]]:
    yield _pair(
        "bradley_terry", "the difference of two scores decides", options.BradleyTerryOptions, "Christiano et al. 2017"
    )
    yield _whole(
        "plackett_luce", "the probability of a whole ranking, chosen best first", options.PlackettLuceOptions,
        "listwise:build", kinds=ORDERS, paper="Plackett 1975; Xia et al. 2008",
    )  # fmt: skip
    yield _pair(
        "lipo", "all pairs of a list, weighted by what a swap would cost", options.LipoOptions, "Liu et al. 2024"
    )
    yield _whole(
        "preference_matrix", "a model of P(i beats j) itself, which may be intransitive", options.PreferenceMatrixOptions,
        "relational:preference_matrix", kinds=ORDERS, paper="Munos et al. 2024", requires=frozenset({"pref_logit"}),
    )  # fmt: skip
    yield _whole(
        "triplet", "which of two is more like a third, in the scorer's embedding", options.TripletOptions,
        "relational:triplet", kinds=frozenset({"similarity"}), paper="Ding et al. 2023", requires=frozenset({"embed"}),
    )  # fmt: skip
    yield _whole(
        "cost_sign", "costs turned round: above zero is safe, and safer wins", options.CostSignOptions,
        "relational:cost_sign", kinds=frozenset({"pair", "binary"}), paper="Dai et al. 2024", shift_invariant=False,
    )  # fmt: skip


def _over_policies() -> Iterator[dict[str, Any]]:
    p = policy_options
    yield _pair("cpl", "a policy from preferences, without a reward model", p.CplOptions, "Hejna et al. 2024")
    yield _pair("cpl_kl", "CPL against a reference policy", p.CplKlOptions, "Hejna et al. 2024")
    yield _pair("dpo", "log-ratios to a reference policy are the scores", p.DpoOptions, "Rafailov et al. 2023")
    yield _pair("cdpo", "DPO with smoothed answers", p.CdpoOptions, "Mitchell 2023")
    yield _pair("rdpo", "DPO, unbiased under a known rate of wrong answers", p.RdpoOptions, "Chowdhury et al. 2024")
    yield _pair("ipo", "log-ratios differ by a set amount, not by ever more", p.IpoOptions, "Azar et al. 2023")
    yield _pair("fdpo", "DPO under another divergence", p.FdpoOptions, "Wang et al. 2023")
    yield _pair("simpo", "mean log-probability with a margin, no reference", p.SimpoOptions, "Meng et al. 2024")
    yield _pair("orpo", "likelihood plus odds ratio, no reference", p.OrpoOptions, "Hong et al. 2024")
    yield _pair("slic", "hinge on log-probabilities plus likelihood, no reference", p.SlicOptions, "Zhao et al. 2023")
    yield _pair("bco", "winners above zero, losers below", p.BcoOptions, "Jung et al. 2024")
    yield _pair("modpo", "DPO for one of several weighted objectives", p.ModpoOptions, "Zhou et al. 2023")
    yield _pair("selm", "DPO with optimism about what was not seen", p.SelmOptions, "Zhang et al. 2024")
    yield _pair("inpo", "a step of no-regret self-play", p.InpoOptions, "Zhang et al. 2024, INPO")
    yield _pair("rationale_dpo", "DPO that also learns to say why", p.RationaleDpoOptions, "Just et al. 2024")


def _of_items() -> Iterator[dict[str, Any]]:
    binary, grade = frozenset({"binary"}), frozenset({"grade"})
    yield _whole(
        "bce", "thumbs, success flags: P[good] = sigmoid(score)", options.BinaryOptions, "pointwise:bce",
        kinds=binary, paper="Han et al. 2025", shift_invariant=False,
    )  # fmt: skip
    yield _whole(
        "kto", "thumbs for a policy, gains and losses apart", options.KtoOptions, "pointwise:kto", kinds=binary,
        paper="Ethayarajh et al. 2024", requires=frozenset({"ref_logp", "kl_logratio"}), shift_invariant=False,
    )  # fmt: skip
    yield _whole(
        "regression", "the score is the grade", options.RegressionOptions, "pointwise:regression",
        kinds=grade, paper="Huber 1964", shift_invariant=False,
    )  # fmt: skip
    yield _whole(
        "ordinal", "grades are ordered levels with learned borders", options.OrdinalOptions, "pointwise:ordinal",
        kinds=grade, paper="McCullagh 1980", shift_invariant=False,
    )  # fmt: skip


def _regularisers() -> Iterator[dict[str, Any]]:
    yield _term("center", "keeps scores near zero", parts.Center, "Eisenstein et al. 2023")
    yield _term("nll", "likelihood of the preferred item", parts.Nll, "Zhao et al. 2023", kinds=ORDERS)
    yield _term("bc", "imitation of what was compared", parts.BehaviourCloning, "Hejna et al. 2024", kinds=ORDERS)
    yield _term("optimism", "less likelihood for what the reference says", parts.Optimism, "Zhang et al. 2024")
    yield _term("kl_ref", "stays near the reference policy", parts.KlReference, "Schulman 2020")
    yield _term("rationale", "likelihood of the reason that was given", parts.Rationale, "Just et al. 2024")
    yield _term(
        "contrastive",
        "two views of an item embed alike",
        parts.Contrastive,
        "Wang et al. 2024, Secrets II",
        batch_coupled=True,
    )
    yield _term("vae_kl", "latent users stay near a standard normal", parts.LatentKl, "Poddar et al. 2024")
    yield _term("reward_l2", "small rewards per step", parts.StepSquare, "")
    yield _term("temporal_smooth", "rewards change little from step to step", parts.StepSmoothness, "")


def _of_reasons() -> Iterator[dict[str, Any]]:
    pair = frozenset({"pair"})
    yield _whole(
        "deciding_factor", "a term to add: the factor that was named as what decided adds most",
        options.DecidingFactorOptions, "reasons:deciding_factor", kinds=pair, requires=frozenset({"contributions"}),
    )  # fmt: skip
    yield _whole(
        "deciding_window", "a term to add: the steps that were named as what decided explain the answer",
        options.DecidingWindowOptions, "reasons:deciding_window", kinds=pair, requires=frozenset({"times"}),
    )  # fmt: skip


def _term(name: str, summary: str, model: type[PartOptions], paper: str, **rest: Any) -> dict[str, Any]:
    """A regulariser as a loss of its own: `loss: [{name: bradley_terry}, {name: center, coef: 0.01}]`."""
    chosen = model()
    return _whole(
        name, f"a term to add: {summary}", model, "regularisers:build", paper=paper,
        **{"kinds": ANY, "requires": chosen.requires(), "shift_invariant": chosen.shift_invariant(), **rest},
    )  # fmt: skip


def _pair(name: str, summary: str, model: type[options.PairOptions], paper: str) -> dict[str, Any]:
    """A recipe of parts: what it needs and whether it is shift-invariant follow from its parts."""
    design = model().design()
    return _whole(
        name, summary, model, "pairwise:build", kinds=ORDERS, paper=paper,
        requires=design.requires, shift_invariant=design.shift_invariant,
    )  # fmt: skip


def _whole(name: str, summary: str, model: type[Options], where: str, **rest: Any) -> dict[str, Any]:
    return {"name": name, "summary": summary, "options": model, "build": _lazy(where), **rest}


def _lazy(where: str) -> Callable[[Any], Any]:
    """A builder that imports ``module:function`` of this package when it is first called."""
    module, _, function = where.partition(":")

    def build(chosen: Any) -> Any:
        return getattr(import_module(f"prefrl.losses.{module}"), function)(chosen)

    return build

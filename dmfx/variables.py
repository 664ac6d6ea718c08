"""The names of what datasets hold: one registry for validation, attributes and documentation.

Every variable and coordinate that dmfx writes is listed here once, with its long name, its units (UDUNITS; ``1``
for pure numbers) and its symbol in the papers.
"""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

__all__ = [
    "ABLATIONS",
    "BIFURCATIONS",
    "BRANCH_ENDS",
    "CAPACITY_KINDS",
    "COORDINATES",
    "FINAL_KINDS",
    "FINAL_STATES",
    "HALF_POINTS",
    "KINDS",
    "OVERLAPS",
    "STATUS",
    "VARIABLES",
    "VECTOR_VARIABLES",
    "Variable",
    "describe_dataset",
]


@dataclass(frozen=True)
class Variable:
    """What a variable or coordinate means."""

    long_name: str
    units: str = "1"
    symbol: str = ""
    flags: tuple[str, ...] = ()

    @property
    def attrs(self) -> dict[str, object]:
        """CF attributes."""
        attrs: dict[str, object] = {"long_name": self.long_name, "units": self.units}
        if self.symbol:
            attrs["symbol"] = self.symbol
        if self.flags:
            del attrs["units"]
            attrs["flag_values"] = list(range(len(self.flags)))
            attrs["flag_meanings"] = " ".join(self.flags)
        return attrs


#: States of a point, by the value of the variable ``status``. In the store of a sweep, a point whose task failed, and
#: one that has not been computed yet.
STATUS = ("ok", "diverged", "bad_start", "underflow", "no_field", "failed", "missing")

#: Kinds of attractor, by the value of the variable ``kind``; "none" stands where nothing can be said.
KINDS = ("fixed", "periodic", "quasi_periodic", "chaotic", "transient", "diverged", "none")

#: What happens at a point of a branch of periodic orbits.
BIFURCATIONS = ("none", "fold", "period_doubling", "neimark_sacker", "branch_point")

#: Why a branch ends: the limits of the parameter; back at its start; as many points as fit; the corrector
#: fails at the shortest step; the orbit has become one of half the period; the largest multiplier is so large that
#: rounding hides those at the unit circle.
BRANCH_ENDS = ("none", "limit", "closed", "max_points", "lost", "half_period", "too_unstable")

#: What the overlaps of a run end in: constant; repeating; constant while the tokens move; neither; not finite; too few
#: steps to tell.
FINAL_KINDS = ("fixed_point", "cycle", "moving", "irregular", "diverged", "unknown")

#: What a run ends near: one stored pattern, several, or none.
FINAL_STATES = ("stored", "mixture", "spurious", "diverged")

#: Whether a run ends nearest to the pattern of its start, if it has one, and the network stores it.
CORRECT = ("no", "yes", "no_target", "not_stored")

#: Whether a lifetime of the pattern of the start ended before the run did.
ENDED = ("no", "yes", "no_target")

#: How the level is known at which half of the trials succeed: by the fit between the levels, or beyond them; as an
#: interval between two levels in which success turns to failure too steeply for the fit; as a bound; not at all.
HALF_POINTS = ("fitted", "extrapolated", "separated", "always", "never", "no_fall", "no_trials")

#: How the fraction that is recalled falls through half with the number of patterns: once, several times, or not.
CAPACITY_KINDS = ("crossed", "crossed_again", "always", "never", "no_trials")

#: Variables with dims (..., step, pattern) that a simulation of self-attention can keep.
OVERLAPS = ("m_o_semantic", "attention", "m_o", "m_v", "m_q", "m_k")

#: Variables that a simulation of vector spins can keep.
VECTOR_VARIABLES = ("overlap", "tokens", "energy", "change")

#: What is taken out of a network of vector spins, one thing at a time.
ABLATIONS = ("none", "no_residual", "uniform_attention", "symmetric")

#: Arrays that training goes on from.
TRAINED = {
    "last": "values after the last epoch",
    "mean": "running mean of the gradient",
    "square": "running mean of the squared gradient",
}

#: What γ is in a network of vector spins; in one of self-attention it is the entry of `COORDINATES`.
RESIDUAL = Variable("weight of the residual term", symbol="γ")

COORDINATES = {
    "beta": Variable("inverse temperature", symbol="β"),
    "gamma": Variable("attention strength", symbol="γ"),
    "seed": Variable("realisation of the quenched weights"),
    "epsilon": Variable("weight of the position in the embedding", symbol="ε"),
    "size": Variable("number of spins", symbol="N"),
    "replica": Variable("realisation of the noise"),
    "initial": Variable("number of the initial condition"),
    "step": Variable("time", units="step", symbol="t"),
    "pattern": Variable("stored pattern", symbol="a"),
    "context": Variable("lag within the context, 0 is the newest token", units="step", symbol="d"),
    "column": Variable("column type of the weights", symbol="j"),
    "matrix": Variable("weight matrix: output, value, query, key", symbol="α"),
    "bit": Variable("bit of the position, most significant first"),
    "value": Variable("value visited (centre of the bin)"),
    "point": Variable("number of the point"),
    "lag": Variable("lag", units="step", symbol="τ"),
    "frequency": Variable("frequency", units="cycles/step", symbol="f"),
    "direction": Variable("direction in which the carried parameter moves"),
    "exponent": Variable("number of the Lyapunov exponent, 0 is the largest"),
    "window": Variable("last step of the window", units="step"),
    "criterion": Variable("criterion for the kind of attractor"),
    "attractor": Variable("label of the attractor"),
    "orbit": Variable("number of the periodic orbit"),
    "orbit_step": Variable("time along the periodic orbit", units="step"),
    "multiplier": Variable("number of the Floquet multiplier, 0 has the largest modulus"),
    "branch_point": Variable("number of the point along the branch"),
    "side": Variable("end of the branch"),
    "to": Variable("label of the attractor that is reached"),
    "stay": Variable("number of the stay near the attractor"),
    "token": Variable("token, i in the papers", symbol="i"),
    "component": Variable("component of a token"),
    "from_token": Variable("token that is listened to", symbol="j"),
    "from_component": Variable("component of the token that is listened to"),
    "offset": Variable("number of the offset from one token to another on the grid"),
    "rank": Variable("number of the factor of low-rank couplings"),
    "target": Variable("stored pattern that the start is a version of, -1 for none"),
    "noise": Variable("standard deviation of the noise, in every component of the start"),
    "fraction": Variable("fraction of the tokens that are hidden"),
    "stored": Variable("number of stored examples", units="count"),
    "ablation": Variable("what was taken out of the network"),
    "measure": Variable("what is measured of the recall of a pattern"),
    "similarity": Variable("which overlap of a pattern with the others"),
    "bin": Variable("number of the bin of patterns, the least similar ones first"),
    "epoch": Variable("number of times that all examples were gone through"),
}

VARIABLES = {
    "overlap": Variable("overlap with the stored pattern", symbol="q"),
    "target_overlap": Variable("overlap with the clean example", symbol="q"),
    "hidden_overlap": Variable("mean overlap of the hidden tokens with the truth"),
    "hidden_error": Variable("mean squared distance of the hidden tokens from the truth"),
    "hidden": Variable("whether the token is hidden", flags=("no", "yes")),
    "tokens": Variable("tokens, unit vectors", symbol="x"),
    "energy": Variable("mean local energy of the tokens", symbol="e"),
    "change": Variable("root mean square distance that tokens moved in the step"),
    "final_tokens": Variable("tokens at the end", symbol="x"),
    "patterns": Variable("stored patterns", symbol="ξ"),
    "couplings_matrices": Variable("coupling matrices", symbol="J"),
    "couplings_left": Variable("left factors of the couplings"),
    "couplings_right": Variable("right factors of the couplings"),
    **{
        f"training_{what}_{name}": Variable(f"{meaning} of the couplings' {name}")
        for what, meaning in TRAINED.items()
        for name in ("matrices", "left", "right")
    },
    "m_o_semantic": Variable("semantic output overlap, without the position term", symbol="m^o"),
    "m_o": Variable("output overlap", symbol="m^o"),
    "m_v": Variable("value overlap", symbol="m^v"),
    "m_q": Variable("query overlap", symbol="m^q"),
    "m_k": Variable("key overlap", symbol="m^k"),
    "attention": Variable("attention value", symbol="A"),
    "final_attention": Variable("attention values of the final context", symbol="A"),
    "final_phase": Variable("position phase of the next token", units="step", symbol="φ"),
    "noise_step": Variable("number of the thermal noise of the next token", units="step"),
    "status": Variable("state of the point", flags=STATUS),
    "field_weights": Variable("signs of the output weights by column type", symbol="w^o"),
    "overlap_weights": Variable("fraction of spins times weight, by column type", symbol="p w^α"),
    "position_weights": Variable("weights of the position bits", symbol="W^pos"),
    "density": Variable("number of steps with a value in the bin", units="count"),
    "section_density": Variable("number of steps on the plane with a value in the bin", units="count"),
    "outside": Variable("number of steps outside the range of the bins", units="count"),
    "section_outside": Variable("number of steps on the plane outside the range of the bins", units="count"),
    "period": Variable("period of the orbit, 0 where none was found", units="step"),
    "points": Variable("values visited"),
    "section": Variable("points on the Poincaré section"),
    "section_step": Variable("time of the point on the section", units="step", symbol="t"),
    "section_count": Variable("number of points on the section", units="count"),
    "autocorrelation": Variable("normalised autocorrelation", symbol="C(τ)"),
    "amplitude": Variable("complex amplitude of the Fourier component"),
    "power": Variable("power spectral density", units="step", symbol="S(f)"),
    "lyapunov": Variable("Lyapunov exponent", units="1/step", symbol="λ"),
    "lyapunov_error": Variable("standard error of the Lyapunov exponent", units="1/step"),
    "finite_time_lyapunov": Variable("Lyapunov exponent over one window of steps", units="1/step"),
    "lyapunov_running": Variable("Lyapunov exponent over all windows so far", units="1/step"),
    "mean_log_determinant": Variable("mean of log |det| of the tangent map", units="1/step"),
    "kaplan_yorke_dimension": Variable("Kaplan-Yorke dimension", symbol="D_KY"),
    "kind": Variable("kind of attractor", flags=KINDS),
    "verdict": Variable("kind of attractor by one criterion alone", flags=KINDS),
    "agree": Variable("whether the criteria agree", flags=("no", "yes")),
    "frequencies": Variable("number of incommensurate frequencies beside that of the position", units="count"),
    "settled": Variable("step from which on the run was on its attractor", units="step"),
    "spectral_floor": Variable("log10 of the lowest decile of the power spectrum over its sum"),
    "basin_count": Variable("number of starts that reached the attractor", units="count"),
    "basin_fraction": Variable("fraction of starts that reached the attractor"),
    "basin_fraction_low": Variable("lower end of the 95 % interval of the fraction"),
    "basin_fraction_high": Variable("upper end of the 95 % interval of the fraction"),
    "basin_other": Variable("number of starts that reached an attractor beyond those that are kept", units="count"),
    "basin_none": Variable("number of starts that reached no attractor", units="count"),
    "attractor_of": Variable("attractor that the start reached; -1: none, -2: one beyond those that are kept"),
    "attractor_kind": Variable("kind of the attractor", flags=KINDS),
    "attractor_period": Variable("period of the attractor, 0 where it is not periodic", units="step"),
    "attractor_lyapunov": Variable("largest Lyapunov exponent on the attractor", units="1/step", symbol="λ"),
    "attractor_points": Variable("attention values on the attractor, in order of time", symbol="A"),
    "orbit_count": Variable("number of periodic orbits found", units="count"),
    "orbit_attention": Variable("attention values along the periodic orbit", symbol="A"),
    "orbit_mean": Variable("mean attention value along the periodic orbit", symbol="A"),
    "orbit_min": Variable("smallest attention value along the periodic orbit", symbol="A"),
    "orbit_max": Variable("largest attention value along the periodic orbit", symbol="A"),
    "multipliers": Variable("Floquet multiplier", symbol="μ"),
    "unstable": Variable("number of Floquet multipliers outside the unit circle", units="count"),
    "residual": Variable("largest change of the state over one period"),
    "parameter": Variable("value of the parameter that the branch follows"),
    "critical_angle": Variable("angle of the multiplier on the unit circle, per period", units="radian"),
    "branch_end": Variable("why the branch ends", flags=BRANCH_ENDS),
    "special": Variable("bifurcation at the point of the branch", flags=BIFURCATIONS),
    "distance": Variable("Wasserstein distance to the mean-field attractor", symbol="W₁"),
    "distance_floor": Variable("Wasserstein distance between two runs of the mean field", symbol="W₁"),
    "joint_distance": Variable("sliced Wasserstein distance to the mean-field attractor, all patterns"),
    "joint_distance_floor": Variable("sliced Wasserstein distance between two runs of the mean field, all patterns"),
    "fluctuation": Variable("standard deviation between replicas", symbol="σ"),
    "fluctuation_error": Variable("standard error of the fluctuation"),
    "fluctuation_exponent": Variable("exponent of the fluctuation against the number of spins"),
    "fluctuation_exponent_error": Variable("standard error of the exponent of the fluctuation"),
    "fluctuation_amplitude": Variable("fluctuation at one spin, from the fit"),
    "residence_label": Variable("attractor that the network is near; -1: none so far, -2: diverged"),
    "residence_radius": Variable("radius of the core of the attractor"),
    "residence_time": Variable("mean residence time near the attractor", units="step", symbol="τ"),
    "residence_time_low": Variable("lower end of the 95 % interval of the residence time", units="step"),
    "residence_time_high": Variable("upper end of the 95 % interval of the residence time", units="step"),
    "residence_count": Variable("number of stays near the attractor", units="count"),
    "occupation": Variable("fraction of the steps near the attractor"),
    "core_fraction": Variable("fraction of the steps near the attractor that are in its core"),
    "escape_rate": Variable("rate of noise-induced escape from the attractor", units="1/step", symbol="1/τ"),
    "escape_rate_low": Variable("lower end of the 95 % interval of the escape rate", units="1/step"),
    "escape_rate_high": Variable("upper end of the 95 % interval of the escape rate", units="1/step"),
    "escapes": Variable("number of escapes from one attractor to another", units="count"),
    "stay_length": Variable("length of the stay near the attractor", units="step"),
    "stay_ended": Variable("whether the stay ended before the run did", flags=("no", "yes")),
    "log_likelihood": Variable("log-likelihood of a token, given all others", symbol="log P"),
    "held_out_log_likelihood": Variable("log-likelihood per token of the examples held out", symbol="log P"),
    "gradient_norm": Variable("root mean square length of the gradient"),
    "learning_rate": Variable("learning rate"),
    "seconds": Variable("time that the epoch took", units="s"),
    "training": Variable("settings and state of the training, as JSON"),
    "nearest": Variable("nearest pattern"),
    "nearest_overlap": Variable("overlap with the nearest pattern", symbol="q"),
    "peak": Variable("largest overlap with the pattern", symbol="q"),
    "peak_step": Variable("time of the largest overlap", units="step", symbol="t"),
    "lifetime": Variable("time that the overlap stays at the threshold or above", units="step", symbol="T"),
    "lifetime_start": Variable("time at which the overlap first reaches the threshold", units="step", symbol="t"),
    "lifetime_ended": Variable("whether the overlap fell below the threshold again", flags=("no", "yes")),
    "recalled": Variable("whether the overlap reached the threshold", flags=("no", "yes")),
    "final_overlap": Variable("mean overlap over the last steps", symbol="q"),
    "final_nearest": Variable("pattern that is nearest over the last steps"),
    "final_kind": Variable("what the run ends in", flags=FINAL_KINDS),
    "final_period": Variable("period that the run ends in, 0 where none was found", units="step"),
    "final_state": Variable("what the run ends near", flags=FINAL_STATES),
    "target_final": Variable("mean overlap with the pattern of the start over the last steps", symbol="q"),
    "target_peak": Variable("largest overlap with the pattern of the start", symbol="q"),
    "target_lifetime": Variable("time that the overlap with the pattern of the start stays up", units="step"),
    "correct": Variable("whether the run ends nearest to the pattern of its start", flags=CORRECT),
    "target_lifetime_ended": Variable("whether the overlap with the pattern of the start fell again", flags=ENDED),
    "recall_fraction": Variable("fraction of trials that recall the pattern"),
    "recall_fraction_low": Variable("lower end of the 95 % interval of the fraction recalled"),
    "recall_fraction_high": Variable("upper end of the 95 % interval of the fraction recalled"),
    "recall_trials": Variable("number of trials", units="count"),
    "pooled_fraction": Variable("fraction of trials that recall their pattern"),
    "pooled_fraction_low": Variable("lower end of the 95 % interval of the fraction recalled"),
    "pooled_fraction_high": Variable("upper end of the 95 % interval of the fraction recalled"),
    "pooled_trials": Variable("number of trials of all patterns", units="count"),
    "basin_size": Variable("corruption at which half of the trials recall the pattern"),
    "basin_size_low": Variable("lower end of the 95 % interval of the basin size"),
    "basin_size_high": Variable("upper end of the 95 % interval of the basin size"),
    "basin_steepness": Variable("fall of the logit of the fraction recalled per unit of corruption"),
    "basin_known": Variable("how the basin size is known", flags=HALF_POINTS),
    "pooled_basin_size": Variable("corruption at which half of the trials recall their pattern"),
    "pooled_basin_size_low": Variable("lower end of the 95 % interval of the pooled basin size"),
    "pooled_basin_size_high": Variable("upper end of the 95 % interval of the pooled basin size"),
    "pooled_basin_steepness": Variable("fall of the logit of the pooled fraction recalled per unit of corruption"),
    "pooled_basin_known": Variable("how the pooled basin size is known", flags=HALF_POINTS),
    "pooled_basin_size_error": Variable("standard error of the pooled basin size, between patterns"),
    "similarity_value": Variable("overlap of the pattern with the others"),
    "most_similar": Variable("pattern with the largest overlap"),
    "recall_measure": Variable("how well the pattern is recalled, mean over trials"),
    "recall_measure_trials": Variable("number of trials", units="count"),
    "pearson": Variable("Pearson correlation of recall and similarity", symbol="r"),
    "pearson_low": Variable("lower end of the 95 % interval of the Pearson correlation"),
    "pearson_high": Variable("upper end of the 95 % interval of the Pearson correlation"),
    "spearman": Variable("Spearman rank correlation of recall and similarity", symbol="ρ"),
    "spearman_low": Variable("lower end of the 95 % interval of the rank correlation"),
    "spearman_high": Variable("upper end of the 95 % interval of the rank correlation"),
    "pairs": Variable("number of patterns that the correlation is of", units="count"),
    "binned_similarity": Variable("mean overlap with the others, of the patterns in the bin"),
    "binned_recall": Variable("mean recall of the patterns in the bin"),
    "binned_recall_error": Variable("standard error of the mean recall in the bin"),
    "binned_count": Variable("number of patterns in the bin", units="count"),
    "capacity": Variable("number of stored patterns at which half are recalled", symbol="M"),
    "capacity_low": Variable("lower end of the 95 % interval of the capacity", symbol="M"),
    "capacity_high": Variable("upper end of the 95 % interval of the capacity", symbol="M"),
    "capacity_known": Variable("how the capacity is known", flags=CAPACITY_KINDS),
    "capacity_load": Variable("capacity over the size of the network", symbol="M/N"),
    "capacity_load_low": Variable("lower end of the 95 % interval of the capacity over the size", symbol="M/N"),
    "capacity_load_high": Variable("upper end of the 95 % interval of the capacity over the size", symbol="M/N"),
}


def describe_dataset(ds: xr.Dataset) -> xr.Dataset:
    """Set names and units of every variable and coordinate that the registry knows, in place.

    xarray keeps the attributes of the input through arithmetic, so each analysis sets them anew.

    Parameters
    ----------
    ds
        Dataset whose variables are named as in this module; unknown names are left alone.

    Returns
    -------
    xr.Dataset
        The same object.
    """
    for name in ds.variables:
        entry = VARIABLES.get(name) or COORDINATES.get(name)
        if entry is not None and ds[name].attrs.get("long_name") != RESIDUAL.long_name:
            kept = {k: v for k, v in ds[name].attrs.items() if k not in ("long_name", "units", "symbol")}
            ds[name].attrs = {**kept, **entry.attrs}
    return ds

"""The published configuration of [PLA24], as facts: signs by pattern and column type, and the starting context."""

from __future__ import annotations

#: Output, value, query and key weights: a string for each pattern, a sign for each of the three segments.
WEIGHTS = {
    "o": ("-++", "-+-", "+++"),
    "v": ("-+-", "--+", "-++"),
    "q": ("+--", "---", "+-+"),
    "k": ("---", "--+", "-+-"),
}

#: Weights of the two position bits, most significant first: a string for each pattern.
POSITION_WEIGHTS = {
    "o": ("--", "+-", "++"),
    "v": ("--", "+-", "-+"),
    "q": ("+-", "++", "--"),
    "k": ("--", "--", "-+"),
}

#: Attention values of the context that every run starts from, newest first, and the phase of the next token. It is the
#: end of the published run at the highest β.
CONTEXT_ATTENTION = (
    (-0.2288990374636795, -0.2530313149999776, 0.4001732976785555),
    (-0.23496112061886298, -0.24696923184202468, 0.394111214523471),
    (-0.2476108746307339, -0.23431947782437476, 0.38146146051180657),
    (0.3075271692332457, 0.29189849335671064, 0.9381154737196367),
)
NEXT_PHASE = 3
GAMMA = 220.0

"""The lines of keys in TOML, against tomllib."""

import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from dmfx.cli.config.lines import lines_of

ODD = """# [sweep]
title = \"\"\"a
[b]
x = 1\"\"\"\"\" # beta = 3
"store" = 'run'
[sweep]
beta = { start = 0, stop = [
 1, 2], "n\\u0075m" = 3 }
  gamma.a . 'b c' = 1979-05-27 07:32:00
list = [ 1, # [x]
   { a = 1 }, [ 2,
   3 ], "]", ]
[[reduce]]
analysis = '''
x'''
[[reduce]]
 [reduce.plane]
 pattern = 1
 [[reduce.q]]
 [[reduce.q]]
   u = 1
[a.b]
[a]
v=1"""


def places(value, place=()):
    """All places of a document, as tomllib reads it."""
    if place:
        yield place
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*place, key))


def test_lines():
    lines = lines_of(ODD)
    assert set(lines) == set(places(tomllib.loads(ODD)))
    expected = {
        ("title",): 2,
        ("store",): 5,
        ("sweep", "beta", "stop", 1): 8,
        ("sweep", "beta", "num"): 8,
        ("sweep", "gamma", "a", "b c"): 9,
        ("sweep", "list", 1, "a"): 11,
        ("sweep", "list", 2, 1): 12,
        ("reduce",): 13,
        ("reduce", 0): 13,
        ("reduce", 1): 16,
        ("reduce", 1, "plane", "pattern"): 18,
        ("reduce", 1, "q", 1, "u"): 21,
        ("a",): 23,
        ("a", "b"): 22,
        ("a", "v"): 24,
    }
    assert {place: lines[place] for place in expected} == expected


KEYS = st.sampled_from(["a", "b-1", '"c d"', "'e.f'", '"g\\"]"', "1"])
VALUES = st.recursive(
    st.sampled_from(["1", "-1.5e3", "true", "inf", "'a # b'", '"x\\n]"', "'''\n[z]\n'''", '"""a""""', "2026-01-01"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[ # [\n{','.join(items)}\n]"),
        st.dictionaries(KEYS, inner, max_size=3).map(
            lambda pairs: f"{{ {', '.join(f'{key} = {value}' for key, value in pairs.items())} }}"
        ),
    ),
    max_leaves=6,
)


HEADERS = st.sampled_from(["", "[t{}]", "[[u]]", "[[u]]\n[u.v]"])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["", "[t{}]", "[[u]]", "[[u]]\n[u.v]"]), st.dictionaries(KEYS, VALUES)), max_size=4
    )
)
def test_lines_of_any_document(tables):
    text = ""
    for number, (header, pairs) in enumerate(tables):
        # What stands before the first table could not stand there twice.
        text += (header or ("" if number == 0 else "[t{}]")).format(number) + "\n"
        text += "".join(f"{key} = {value}  # = [\n" for key, value in pairs.items())
    lines = lines_of(text)
    assert set(lines) == set(places(tomllib.loads(text)))
    assert list(lines.values()) == sorted(lines.values())

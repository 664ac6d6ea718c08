"""What holds for any map: exponents, kinds of attractor, sets, periodic orbits and their branches.

Arrays in, arrays out; NumPy, SciPy and the kernels only, and tested on maps whose answers are known exactly.
`dmfx.analysis` applies it to Datasets.
"""

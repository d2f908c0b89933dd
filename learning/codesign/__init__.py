"""Devices, circuits and weights designed together: one loop, its baselines, what it all took.

    design = codesign.Design(tree, free=(...))
    result = codesign.optimise(objective, design, steps=300, key=key)      objective(tree, key) -> scalar
    print(codesign.compare(objective, design, codesign.Setting(300), key=key))     beside what needs no gradient

Two objectives at once are `codesign.pareto`.
"""

from learning.codesign.compare import Setting as Setting
from learning.codesign.compare import compare as compare
from learning.codesign.comparison import Comparison as Comparison
from learning.codesign.comparison import Trial as Trial
from learning.codesign.comparison import as_text as as_text
from learning.codesign.comparison import write_json as write_json
from learning.codesign.design import Design as Design
from learning.codesign.design import Variable as Variable
from learning.codesign.loop import Options as Options
from learning.codesign.loop import evaluate as evaluate
from learning.codesign.loop import run as run
from learning.codesign.methods import AbstractMethod as AbstractMethod
from learning.codesign.methods import CovarianceAdaptation as CovarianceAdaptation
from learning.codesign.methods import Gradient as Gradient
from learning.codesign.methods import OnePlusOne as OnePlusOne
from learning.codesign.methods import RandomSearch as RandomSearch
from learning.codesign.methods import Tried as Tried
from learning.codesign.pareto import Front as Front
from learning.codesign.pareto import pareto as pareto
from learning.codesign.result import Result as Result
from learning.codesign.search import evolution_strategy as evolution_strategy
from learning.codesign.search import gradient_ratio as gradient_ratio
from learning.codesign.search import optimise as optimise
from learning.codesign.search import random_search as random_search

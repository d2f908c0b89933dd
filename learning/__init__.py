"""What a network learns: tasks, reservoirs, memories of one example, and devices designed together with weights.

    from learning import codesign, metrics, readout, reservoir, tasks

The flagship experiments are `learning.experiments`, `neurojax run` on the command line.
"""

from learning import baselines as baselines
from learning import codesign as codesign
from learning import continual as continual
from learning import device_readout as device_readout
from learning import metrics as metrics
from learning import oneshot as oneshot
from learning import readout as readout
from learning import reservoir as reservoir
from learning import tasks as tasks

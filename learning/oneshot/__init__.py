"""Learning from one example: hyperdimensional computing on arrays of devices, prototypes, memories, transfer.

Begin with `hyperdimensional.py` (the operations) and `pillars.py` (XOR and majority by currents of cells), or with
`prototypes.py` and `memory.py` (classes from one example each); `table.py` measures them side by side.
"""

from learning.oneshot.embedding import Embedding as Embedding
from learning.oneshot.embedding import embed as embed
from learning.oneshot.embedding import pretrained as pretrained
from learning.oneshot.embedding import turned_and_mirrored as turned_and_mirrored
from learning.oneshot.hyperdimensional import bind as bind
from learning.oneshot.hyperdimensional import bundle as bundle
from learning.oneshot.hyperdimensional import flip as flip
from learning.oneshot.hyperdimensional import majority_similarity as majority_similarity
from learning.oneshot.hyperdimensional import ngrams as ngrams
from learning.oneshot.hyperdimensional import permute as permute
from learning.oneshot.hyperdimensional import random_hypervectors as random_hypervectors
from learning.oneshot.hyperdimensional import similarity as similarity
from learning.oneshot.hyperdimensional import text_counts as text_counts
from learning.oneshot.hyperdimensional import to_binary as to_binary
from learning.oneshot.hyperdimensional import to_bipolar as to_bipolar
from learning.oneshot.language_episodes import language_episodes as language_episodes
from learning.oneshot.language_study import LanguageAccuracy as LanguageAccuracy
from learning.oneshot.language_study import language_accuracy as language_accuracy
from learning.oneshot.memory import DeviceMemory as DeviceMemory
from learning.oneshot.memory import StatisticalWriting as StatisticalWriting
from learning.oneshot.memory import memory_faults as memory_faults
from learning.oneshot.pillars import Pillars as Pillars
from learning.oneshot.pillars import vertical_rram as vertical_rram
from learning.oneshot.prototypes import Discriminant as Discriminant
from learning.oneshot.prototypes import Prototypes as Prototypes
from learning.oneshot.prototypes import class_means as class_means
from learning.oneshot.prototypes import discriminant as discriminant
from learning.oneshot.prototypes import prototypes as prototypes
from learning.oneshot.prototypes import shared_covariance as shared_covariance
from learning.oneshot.table import Row as Row
from learning.oneshot.table import digit_rows as digit_rows
from learning.oneshot.table import episode_accuracy as episode_accuracy
from learning.oneshot.table import memory_scores as memory_scores
from learning.oneshot.table import split_digits as split_digits
from learning.oneshot.table import table as table
from learning.oneshot.table import table_text as table_text
from learning.oneshot.texts import ClassMemory as ClassMemory
from learning.oneshot.texts import TextEncoder as TextEncoder
from learning.oneshot.texts import classify as classify
from learning.oneshot.texts import learn_texts as learn_texts
from learning.oneshot.transfer import TransferResult as TransferResult
from learning.oneshot.transfer import retrain as retrain
from learning.oneshot.transfer import transfer_digits as transfer_digits
from learning.oneshot.write_window import WriteWindow as WriteWindow
from learning.oneshot.write_window import write_window as write_window

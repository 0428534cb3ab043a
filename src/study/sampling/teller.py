"""The one teller of Optuna's database: makes it equal to the trial folders, and takes the trials that others enqueue.

A search calls it from a thread, so that neither a training nor the loop waits for the database. The start of a search
and `study sync` call the same function. Each trial is in the database once, and an enqueued one is trained once:

- A trial is found by its uid, never by its number. It enters the database whole, with its uid, in one transaction:
  after a kill it is there or it is not. Optuna gives it the next number within that transaction. If a user has
  enqueued a trial in the meantime, the number in the database is another than the folder's; nothing depends on it.
- An enqueued trial is claimed in one transaction, from WAITING to RUNNING and with a uid. The database lets only one
  process make this change. The trial's folder gets the same uid.
- A search killed before it makes the folder leaves a running trial whose uid no folder has: the next search takes it.
  A claimed trial left at a search's end is given back.
- What the database has of each trial is read from it, at the start and after each failure: a lost commit is noticed.
- What the database refuses, such as a parameter whose name is too long, is left out and named in `refused`.
"""

from __future__ import annotations

import logging
import time
import uuid
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING

from optuna.exceptions import OptunaError
from optuna.trial import TrialState

from study import waiting
from study.errors import PlaceError, StudyError
from study.record import results
from study.record.trial import Trial
from study.sampling import bulk, dashboard, storage
from study.sampling.known import Known, Many, distributions, id_of
from study.sampling.lease import LeaseLost

if TYPE_CHECKING:
    from datetime import datetime

    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

    from study.record.journal import Journal, TrialFolder
    from study.sampling.lease import Lease

log = logging.getLogger("study")
FEW = 8  # trials that are told one by one
TOGETHER = 500  # trials that are told in one transaction at most
AWAY = (*storage.DATABASE_ERRORS, OptunaError, KeyError)  # KeyError: a user has deleted the study or a trial


class Teller:
    """Tells Optuna's database what the folders of one study say; the study's lock is held."""

    def __init__(
        self, journal: Journal, database: RDBStorage, name: str, direction: str, *, takes: bool = False
    ) -> None:
        """Name folders and database; nothing is read.

        Args:
            journal: the study's folders.
            database: Optuna's.
            name: the study's, in the database.
            direction: "maximize" or "minimize".
            takes: whether trials that have no folder here are taken, into `arrivals`.

        """
        self._journal, self._database, self._name, self._direction = journal, database, name, direction
        self.arrivals: SimpleQueue[FrozenTrial] = SimpleQueue()
        self._takes, self._study = takes, -1
        self._known: dict[str, Known] = {}  # by uid
        self._is_read, self._is_first = False, True  # the second: no round has succeeded yet
        self._folders: dict[int, TrialFolder] = {}  # by number, as the next two
        self._uids: dict[int, str] = {}
        self.damaged: set[int] = set()  # numbers of folders that are left out
        self._left: list[FrozenTrial] = []  # just read from the database, and without a folder
        self._settled, self._offered = set[int](), set[str]()  # ids that need no further look; uids
        self._delivered: set[tuple[int, datetime | None]] = set()
        self._claimed: dict[str, int] = {}  # uid and id of the enqueued trials that were taken
        self.refused: SimpleQueue[str] = SimpleQueue()  # a line for each piece that the database does not take
        self._usual = set[tuple[str, str]]()  # parameters and distributions that the database has taken
        self._untold: set[str] = set()  # uids of trials that cannot be told at all
        self.steps = 0  # grows with each thing that is told
        self._since: float | None = None  # when the database last took something; None while all is told

    def silent(self) -> float:
        """Give the seconds for which the database has not taken what is to be told; 0 if it has everything."""
        return 0.0 if (since := self._since) is None else time.monotonic() - since

    def begin(self, lease: Lease) -> int:
        """Tell for the first time, before a search: with a line where the database is slow, an end where it is away.

        Args:
            lease: of the study, whose loss ends it.

        Returns and raises as `tell`; PlaceError also if the database does not answer.

        """
        lease.require()
        try:
            changed = waiting.answer(f"Optuna's storage {self._database.engine.url}", self.tell, lambda: self.steps)
        except PlaceError:
            lease.seal()  # it may hang there yet
            raise
        while not self.refused.empty():
            log.warning("%s: %s", self._name, self.refused.get())
        return changed

    def tell(self) -> int:
        """Make the database equal to the folders; safe to repeat.

        Returns:
            The number of trials that were added or changed; damaged folders are left out.

        Raises:
            PlaceError: the database is away; or the folders are those of another study than the database's.

        """
        self._since = self._since or time.monotonic()
        try:
            if not self._is_read:
                self._read()
            changed, errors = self._tell_folders()
            if self._takes:
                self._take()
        except AWAY as error:
            self._is_read = False
            raise PlaceError(f"Optuna's storage is away: {storage.first_line(error)}") from error
        if self._is_first:
            self.describe()
        self._is_first, self._since = False, None
        if errors:
            raise errors[0]
        return changed

    def pending(self) -> int:
        """Count the trials that the database lacks something of, by what is known of it."""
        return sum(each.number not in self.damaged and self._is_behind(each) for each in self._journal.trials())

    def describe(self) -> None:
        """Update the metric's name and the note; a database that is away, or a damaged folder, keeps the old ones."""
        with suppress(*AWAY, StudyError):
            dashboard.describe(self._database, self._study, self._journal)

    def give_back(self) -> None:
        """Let the enqueued trials wait again that were taken and have no folder; a database that is away keeps them."""
        self._read_uids()
        for uid in self._claimed.keys() - set(self._uids.values()):
            try:
                storage.release(self._database, self._claimed.pop(uid))
            except (*AWAY, LeaseLost):
                return

    def _read(self) -> None:
        """Read what the database has."""
        self._study = storage.study_id(self._database, self._name, self._direction)
        trials = self._database.get_all_trials(self._study, deepcopy=False)
        self._read_uids()
        self._known, self._left = {}, []
        there = set(self._uids.values())
        for trial in trials:
            uid = trial.user_attrs.get("uid")
            is_ours = trial.state != TrialState.WAITING and uid not in self._known
            if uid and is_ours:
                self._known[uid] = Known.of(trial)
            if uid not in there or not is_ours:
                self._left.append(trial)
        if self._is_first:
            self._adopt()
            self._require_together()
        self._settled = {known.id for known in self._known.values()}
        self._is_read = True

    def _read_uids(self) -> list[TrialFolder]:
        """Read the uids of folders that are new, and give all folders by number but damaged ones."""
        numbers = set(self._journal.numbers())
        for number in set(range(max(numbers, default=0))) - numbers:
            if self._journal.trial(number).path.exists():  # it was made while the folders were being listed
                numbers.add(number)
        for number in numbers - self._folders.keys():
            folder = self._journal.trial(number)
            if self._is_first and results.whole(folder) is None:
                self.damaged.add(number)
            else:
                self._uids[number] = folder.about()["uid"]
            self._folders[number] = folder
        return [self._folders[number] for number in sorted(numbers - self.damaged)]

    def _adopt(self) -> None:
        """Recognize enqueued trials whose folder was made by a version that did not claim them, and was then killed."""
        by_number = {trial.number: trial for trial in self._left if trial.state == TrialState.WAITING}
        for number, uid in self._uids.items():
            trial = by_number.get(number)
            wanted = trial.system_attrs.get("fixed_params", {}) if trial else None
            if trial is None or uid in self._known or not wanted:
                continue
            params = self._journal.trial(number).about()["params"]
            if wanted.items() <= params.items() and (claimed := self._claim(trial, uid)):
                self._known[uid] = Known.of(claimed)
                self._left.remove(trial)

    def _require_together(self) -> None:
        """Refuse folders of which the database holds other trials of ours; an enqueued one may have any number."""
        for trial in self._left:
            folder, uid = self._uids.get(trial.number), trial.user_attrs.get("uid")
            if uid and folder and folder not in self._known and "fixed_params" not in trial.system_attrs:
                raise PlaceError(
                    f"Optuna's trial {trial.number} is another one than this folder's",
                    where=str(self._journal.trial(trial.number).path),
                    fix="The folder and the database do not belong together: use another --home or --storage.",
                )

    def _tell_folders(self) -> tuple[int, list[StudyError]]:
        changed, errors = 0, list[StudyError]()
        behind = [
            (index + sum(each < folder.number for each in self.damaged), folder)
            for index, folder in enumerate(self._read_uids())
            if self._is_behind(folder)
        ]
        while behind:
            some = behind[: TOGETHER if self._usual else FEW]  # the first ones show what the database takes
            del behind[: len(some)]
            left = some if len(some) <= FEW else self._tell_together(some)
            changed += len(some) - len(left)
            more, wrong = self._tell_one_by_one(left)
            changed, errors = changed + more, errors + wrong
        return changed, errors

    def _tell_together(self, some: list[tuple[int, TrialFolder]]) -> list[tuple[int, TrialFolder]]:
        """Tell trials in one transaction; gives those that are to be told one by one."""
        many = Many()
        for index, folder in some:
            known = self._known.get(self._uids[folder.number])
            many.add(folder, known, is_next=index == folder.number, usual=self._usual)
        try:
            ids = many.tell(self._database, self._study)
        except bulk.Gone:
            return some
        except storage.ERRORS as error:
            storage.require_refusal(error)
            return some
        for number, (folder, trial, size) in zip(ids, many.new, strict=True):
            self._note(folder, trial, number, size)
        self.steps, self._since = self.steps + 1, time.monotonic()
        left = {folder.number for folder in many.left}
        return [each for each in some if each[1].number in left]

    def _tell_one_by_one(self, folders: list[tuple[int, TrialFolder]]) -> tuple[int, list[StudyError]]:
        changed, errors = 0, list[StudyError]()
        for index, folder in folders:
            try:
                changed += self._tell_folder(folder, index)
            except LeaseLost:
                raise
            except storage.ERRORS as error:
                storage.require_refusal(error)
                self._untold.add(self._uids[folder.number])
                self.refused.put(f"Optuna refuses trial {folder.number}: {storage.first_line(error)}")
            except StudyError as error:
                errors.append(error)
            self.steps, self._since = self.steps + 1, time.monotonic()
        return changed, errors

    def _is_behind(self, folder: TrialFolder) -> bool:
        uid = self._uids.get(folder.number, "")
        if (known := self._known.get(uid)) is None:
            return uid not in self._untold
        return not known.finished and known.size != folder.log_size()

    def _tell_folder(self, folder: TrialFolder, index: int) -> bool:
        """Tell what the database lacks of a trial; a new one whole, or by pieces if it is refused."""
        known = self._known.get(self._uids[folder.number])
        if known is not None:
            return self._complete(known, folder)
        size, trial = folder.log_size(), storage.frozen(Trial.of(folder))
        while index < folder.number > storage.count_trials(self._database, self._study):  # folders are missing, and so
            self._settled.add(self._database.create_new_trial(self._study, storage.placeholder()))  # is their record
        try:
            self._enter(folder, trial, size)
        except storage.ERRORS as error:
            storage.require_refusal(error)
            self._enter(folder, storage.begun(folder), -1)
            self._complete(self._known[self._uids[folder.number]], folder)
        return True

    def _enter(self, folder: TrialFolder, trial: FrozenTrial, size: int) -> None:
        """Create a trial, in one transaction."""
        self._note(folder, trial, self._database.create_new_trial(self._study, trial), size)
        self._usual |= distributions(trial)

    def _note(self, folder: TrialFolder, trial: FrozenTrial, number: int, size: int) -> None:
        known = Known.of(trial)
        known.id, known.size = number, size
        self._settled.add(number)
        self._known[self._uids[folder.number]] = known

    def _complete(self, known: Known, folder: TrialFolder) -> bool:
        """Tell what the database lacks of a trial, piece by piece; returns whether that was anything."""
        size, read, database, number = folder.log_size(), Trial.of(folder), self._database, known.id
        trial = storage.frozen(read)
        pieces = known.pieces(trial, database)
        for what, send in pieces:
            try:
                send()
            except storage.ERRORS as error:
                storage.require_refusal(error)
                self.refused.put(f"Optuna refuses {what} of trial {folder.number}: {storage.first_line(error)}")
        if read.history.ended:
            database.set_trial_state_values(number, trial.state, None if trial.value is None else [trial.value])
            known.finished = True
        known.size = size
        return bool(pieces) or known.finished

    def _take(self) -> None:
        """Take trials that have no folder here: enqueued, added by hand, or begun by another machine of this study."""
        left, self._left = self._left or self._news(), []
        for trial in left:
            number = id_of(trial)
            if trial.state == TrialState.WAITING:
                if claimed := self._claim(trial, uuid.uuid4().hex):
                    self._offer(claimed)
            elif trial.state == TrialState.RUNNING:
                uid = trial.user_attrs.get("uid")  # without one it comes from a user's own `study.ask()`
                if uid and uid not in self._offered and self._known[uid].id == number:
                    self._offer(trial)
            elif (number, trial.datetime_complete) not in self._delivered:
                self._settled.add(number)
                self._delivered.add((number, trial.datetime_complete))
                self.arrivals.put(trial)

    def _news(self) -> list[FrozenTrial]:
        """Read the database's trials that we have neither written nor taken, and that no other process is running."""
        news = storage.not_running(self._database, self._study) - self._settled
        return [self._database.get_trial(each) for each in sorted(news)]

    def _claim(self, trial: FrozenTrial, uid: str) -> FrozenTrial | None:
        """Make a waiting trial ours; None if another process was faster."""
        number = id_of(trial)
        return self._database.get_trial(number) if storage.claim(self._database, number, uid) else None

    def _offer(self, trial: FrozenTrial) -> None:
        """Give a running trial without a folder to the search, one that was enqueued as it was: waiting."""
        uid = trial.user_attrs["uid"]
        known = self._known[uid] = Known.of(trial)
        self._settled.add(known.id)
        self._offered.add(uid)
        if "overrides" not in trial.user_attrs:
            self._claimed[uid] = known.id
            trial.state, trial.datetime_start = TrialState.WAITING, None
        self.arrivals.put(trial)

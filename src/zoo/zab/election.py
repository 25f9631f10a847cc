"""Fast Leader Election: which server to follow, or to be.

Theory of operation. A server that is LOOKING enters a new round (the logical clock) with a vote for
itself, tells all voters, and changes to every better vote it hears of (zoo.zab.vote), telling all
again: so all that can talk to each other end with the best vote among them. Once a quorum stands
behind it, the election is over. A message of a later round takes a server along into it; one of an
earlier round is answered with our vote. Who has settled answers those who look with its vote and
state, and who hears the same leader from a quorum, the leader itself among them, joins them without
a vote: a server that comes late or back. Observers take part the same way, but nobody counts them.

When to stop. Behind a quorum's vote there may still be a better one on its way, so ZooKeeper waits
200 ms (`finalize_wait_ms`) before it believes. That wait ends here as soon as the answer cannot
change any more: when every voter has voted in this round, or cannot be heard of. Our vote is the
best of all those votes; each voter's own candidature is no better than what it voted; so nobody is
left to bring a better one. A voter that cannot be heard of is one that the mesh says it has no link
to: the leader that was just killed, above all. If it is alive, and only we lack the link to it, it
may hold a better vote and others may follow it, and we decided too early. That costs time, never
data: the election only proposes a leader. It leads nobody before a quorum has promised it a new
epoch (discovery), each server promises an epoch once, and a leader that finds a longer history than
its own in that quorum gives up; so two cannot lead at once and no committed transaction is missing,
whatever was decided here. All that haste can lose is one more round, and `is_deserted` makes that
short: it turns true for a leader whose supporters have gone on to look for another, instead of
letting it wait for them until initLimit (ZOOKEEPER-3109), and for those who follow a leader that
looks again itself.

A candidate that dies during the election leaves its vote behind with everybody. If the leader to be
has no link to us when the votes are in, we start a new round without it, once until it is heard of
again (`lost_candidate_wait_ms`).

The mesh may lose, repeat and reorder messages: a vote is sent again after a pause that doubles
while nothing is new, when a link comes up, and to who repeats a worse one. Votes of one server only
become better within a round, so a worse one that arrives later is old. Servers do not all begin to
look at the same moment: who has settled still, and hears the votes of those who have not, keeps
them for a while, and is told again once it looks itself. An answer is in a later round or better
than what it answers, or is given once in a round, or comes from a server that has settled, to which
nobody answers: so no two servers can talk in circles.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import NamedTuple

from zoo.errors import ProtocolViolation
from zoo.zab.notification import (
    VERSION,
    Notification,
    config_version,
    encode_notification,
    parse_notification,
)
from zoo.zab.quorum import QuorumVerifier
from zoo.zab.quorum_joint import Joint
from zoo.zab.vote import (
    NOBODY,
    UNKNOWN_ZXID,
    Ballot,
    ServerState,
    Vote,
    agrees,
    succeeds,
)

log = logging.getLogger(__name__)

MAX_ROUND = (1 << 63) - (1 << 32)
"""No peer may take us to a round from which there is no way on."""
MAX_OUTSIDERS = 256
"""Servers without a vote, the latest that asked, which are told of our vote as voters are."""

LOOKING, FOLLOWING, LEADING, OBSERVING = ServerState


@dataclass(frozen=True, slots=True)
class ElectionSettings:
    """Times in ms. The last two are fastleader.{min,max}NotificationInterval."""

    finalize_wait_ms: int = 200
    lost_candidate_wait_ms: int = 20
    min_interval_ms: int = 200
    max_interval_ms: int = 60_000


class Decision(NamedTuple):
    """How an election ended: what to become, and the servers known to stand behind the vote."""

    vote: Vote
    state: ServerState
    supporters: tuple[int, ...]


class NewerConfig(NamedTuple):
    """A later configuration than ours that a peer has told us of."""

    version: int
    text: bytes
    sid: int


class Election:
    """One server's part in all elections.

    Inputs are `begin`, `received`, `tick`, `reachable` and `unreachable`; then `out` holds messages
    as (server id, bytes), to be taken and cleared, and `decision` how it ended, until the next
    `begin`. `now_ms` never goes back.
    """

    def __init__(
        self,
        my_id: int,
        quorum: QuorumVerifier,
        config: bytes = b"",
        settings: ElectionSettings | None = None,
    ) -> None:
        self.my_id = my_id
        self.settings = settings or ElectionSettings()
        self.state = LOOKING
        self.round = 0
        self.decision: Decision | None = None
        self.out: list[tuple[int, bytes]] = []
        self.newer_config: NewerConfig | None = None
        self.reconfigure(quorum, config)
        self.vote = self._own = Vote(NOBODY, NOBODY, 0, NOBODY)
        self._votes: dict[int, Ballot] = {}  # of this round, mine too
        self._settled: dict[int, Ballot] = {}  # of those that are not looking, of any round
        self._early: dict[int, tuple[int, Notification]] = {}  # heard looking before we did, when
        self._expected: int | None = None
        self._unreachable: dict[int, None] = {}
        self._abandoned: dict[int, None] = {}
        self._outsiders: dict[int, tuple[bytes, int]] = {}  # what they were told last, and when
        self._repeated: dict[int, tuple[bytes, int]] = {}  # likewise, of voters, beyond announcing
        self._supporters: dict[int, None] = {}
        self._deserters: dict[int, None] = {}
        self._finish_at: int | None = None
        self._resend_at: int | None = None
        self._interval = self.settings.min_interval_ms

    def reconfigure(self, quorum: QuorumVerifier, config: bytes) -> None:
        """Go by another configuration, beginning with the next input."""
        self.quorum = quorum
        self._holding = quorum.old if isinstance(quorum, Joint) else quorum
        self.config = config
        self.config_version = config_version(config)
        self.is_voter = self.my_id in quorum.voters

    # --- inputs

    def begin(self, zxid: int, peer_epoch: int, now_ms: int, expected: int | None = None) -> None:
        """Look for a leader. `zxid` is the last logged, `peer_epoch` the current epoch.

        `expected`: the last leader has seen to it that nobody has more than this server.
        UNKNOWN_ZXID for a server that may have lost its history: it waits for others to agree.
        """
        self.state = LOOKING
        self.decision = None
        self._expected = expected
        for each in (self._settled, self._supporters, self._deserters, self._repeated):
            each.clear()
        if self.is_voter:
            self._own = Vote(self.my_id, zxid, 0, peer_epoch, self.config_version)
        else:
            self._own = Vote(NOBODY, NOBODY, 0, NOBODY, self.config_version)
        self._enter_round(self.round + 1)
        log.info("election: round %d, candidate %s", self.round, self._own)
        self._announce(now_ms)
        self._count(now_ms)
        early, self._early = self._early, {}
        for sid, (heard_at, heard) in early.items():
            if self.state is LOOKING and now_ms - heard_at < self.settings.min_interval_ms:
                self._heard_looking(sid, heard, now_ms)

    def settle(self, leader: int, zxid: int, peer_epoch: int) -> None:
        """Take this leader without an election: a change of the configuration has named it."""
        for each in (self._settled, self._supporters, self._deserters, self._early):
            each.clear()
        vote = Vote(leader, zxid, self.round, peer_epoch, self.config_version)
        self._decide(vote, list(self.quorum.voters))

    def received(self, sid: int, data: bytes, now_ms: int) -> None:
        """A message from the mesh. Raises ProtocolViolation: drop that link."""
        self.notification(sid, parse_notification(data), now_ms)

    def notification(self, sid: int, heard: Notification, now_ms: int) -> None:
        """What server `sid` says, in any state of ours. Raises ProtocolViolation."""
        if heard.vote.election_epoch > MAX_ROUND:
            raise ProtocolViolation(f"a vote in round {heard.vote.election_epoch}")
        if sid == self.my_id or not self.round:
            return
        self._is_there(sid)
        self._note_config(sid, heard)
        if sid not in self.quorum.voters:
            is_behind = heard.vote.config_version < self.config_version
            if heard.state is LOOKING and (self.is_voter or is_behind):
                self._answer_outsider(sid, now_ms)
        elif self.state is not LOOKING:
            self._heard_when_settled(sid, heard, now_ms)
        elif heard.vote.leader in self.quorum.voters:
            if heard.state is LOOKING:
                self._heard_looking(sid, heard, now_ms)
            elif heard.state is not OBSERVING:
                self._heard_settled(sid, heard, now_ms)
        elif heard.state is LOOKING:
            self._heard_voteless(sid, heard.vote, now_ms)

    def tick(self, now_ms: int) -> None:
        """Let time pass; nothing is due before `next_due`."""
        if self.state is not LOOKING:
            return
        if self._finish_at is not None and now_ms >= self._finish_at:
            self._finish(now_ms)
        elif self._resend_at is not None and now_ms >= self._resend_at:
            interval = min(2 * self._interval, self.settings.max_interval_ms)
            is_stalled = self._interval > 4 * self.settings.min_interval_ms
            if is_stalled and self._holding is not self.quorum:
                self._enter_round(self.round + 1)  # where others may come first
            self._announce(now_ms)
            self._interval = interval
            self._resend_at = now_ms + interval

    @property
    def next_due(self) -> int | None:
        """When `tick` has something to do, in ms; None: nothing while no other input comes."""
        if self.state is not LOOKING:
            return None
        return min((t for t in (self._finish_at, self._resend_at) if t is not None), default=None)

    def unreachable(self, sid: int, now_ms: int) -> None:
        """The mesh has no link to `sid`: it broke, or could not be made."""
        self._unreachable[sid] = None
        self._early.pop(sid, None)
        if self.state is LOOKING and self.round and sid != self.my_id:
            # What it said last is no longer true of it, whatever it does now; if it is alive it
            # says it again when the link is back.
            self._votes.pop(sid, None)
            self._settled.pop(sid, None)
            self._recount(sid, now_ms)

    def reachable(self, sid: int, now_ms: int) -> None:
        """The mesh has a new link to `sid`."""
        self._is_there(sid)
        if self.state is LOOKING and self.round and sid != self.my_id:
            if sid in self.quorum.voters or sid in self._outsiders:
                self._send(sid)
            self._recount(sid, now_ms)

    def established(self, peer_epoch: int) -> None:
        """A quorum follows the leader into `peer_epoch`: say so to who asks (ZOOKEEPER-1732)."""
        self.vote = self.vote._replace(peer_epoch=peer_epoch)

    @property
    def is_deserted(self) -> bool:
        """Whether the decision cannot come true: look again, unless it has come true before.

        A leader has lost so many supporters that the rest are no quorum; the leader that is to be
        followed looks for one itself.
        """
        if self.state is LOOKING:
            return False
        if self.state is not LEADING:
            return self.vote.leader in self._deserters
        gone = self._deserters.keys() | self._unreachable.keys()
        return not self.quorum.contains_quorum([s for s in self._supporters if s not in gone])

    # --- while looking

    def _heard_looking(self, sid: int, heard: Notification, now_ms: int) -> None:
        vote = heard.vote
        if self._help_on(sid, vote) or UNKNOWN_ZXID in (vote.zxid, self._own.zxid):
            return
        if vote.election_epoch > self.round:
            self._enter_round(vote.election_epoch)
            self._change_to(vote)
            self._announce(now_ms)
        elif self._change_to(vote):
            self._announce(now_ms)
        was_settled = self._settled.pop(sid, None) is not None
        known = self._votes.get(sid)
        if known is None or known.state is not LOOKING or succeeds(vote, known.vote, self.quorum):
            self._votes[sid] = heard.ballot
            self._hurry(now_ms)
            is_repeated = False
        else:
            is_repeated = succeeds(self.vote, vote, self.quorum)
        # It cannot have heard my vote, or it would have taken it.
        if self.is_voter and was_settled:
            self._send(sid)
        elif self.is_voter and is_repeated:
            self._answer(sid, self._repeated, now_ms)
        self._count(now_ms)

    def _heard_voteless(self, sid: int, vote: Vote, now_ms: int) -> None:
        """A voter that votes for nobody we know: it may not know of the change by which it votes.

        In one round with us it hears our vote, takes it, and counts.
        """
        if not self._help_on(sid, vote) and vote.election_epoch > self.round:
            self._enter_round(vote.election_epoch)
            self._announce(now_ms)
            self._count(now_ms)

    def _heard_settled(self, sid: int, heard: Notification, now_ms: int) -> None:
        ballot = heard.ballot
        if heard.vote.election_epoch == self.round:
            self._votes[sid] = ballot
            if self._join(self._votes, ballot, True):
                return
        self._settled[sid] = ballot
        if not self._join(self._settled, ballot, False):
            self._count(now_ms)

    def _join(self, ballots: dict[int, Ballot], ballot: Ballot, one_round: bool) -> bool:
        """Settle as those have who agree with `ballot`, if they are a quorum with a leader.

        A quorum of what holds, though we have seen a change: it may have come to nothing, and
        then nobody of it may be there. If not, our log is ahead of a leader that lacks it.
        """
        vote = ballot.vote
        if vote.leader == self.my_id:
            # They may be the first to know. But what they did in an earlier round is no longer so:
            # we are looking.
            leads = vote.election_epoch == self.round and self._own.zxid != UNKNOWN_ZXID
        else:
            leader = ballots.get(vote.leader)
            leads = leader is not None and leader.state is LEADING
        supporters = [s for s, other in ballots.items() if agrees(other, ballot, one_round)]
        if not leads or not self._holding.contains_quorum(supporters):
            return False
        self._decide(vote, supporters)
        return True

    def _enter_round(self, number: int) -> None:
        self.round = number
        self.vote = self._own._replace(election_epoch=number)
        self._finish_at = None
        self._votes.clear()
        self._vote_myself()

    def _change_to(self, vote: Vote) -> bool:
        """Take a better vote for mine."""
        if not succeeds(vote, self.vote, self.quorum):
            return False
        self.vote = vote._replace(config_version=self.config_version)
        self._finish_at = None
        self._vote_myself()
        return True

    def _vote_myself(self) -> None:
        if self.is_voter and self._own.zxid != UNKNOWN_ZXID:
            self._votes[self.my_id] = Ballot(self.vote, LOOKING, VERSION)

    def _help_on(self, sid: int, vote: Vote) -> bool:
        """Whether `sid` is in an earlier round; if so it is told of ours, if ours counts."""
        if vote.election_epoch >= self.round:
            return False
        if self.is_voter:
            self._send(sid)
        return True

    def _is_there(self, sid: int) -> None:
        self._unreachable.pop(sid, None)
        self._abandoned.pop(sid, None)

    def _count(self, now_ms: int) -> None:
        """See whether the votes of this round decide, now or after a while."""
        supporters = self._agreeing()
        if not self.quorum.contains_quorum(supporters):
            self._finish_at = None
        elif self._is_final():
            self._decide(self.vote, supporters)
        elif self._is_lost(self.vote.leader):
            if self._finish_at is None:
                self._finish_at = now_ms + self.settings.lost_candidate_wait_ms
        elif self._finish_at is None:
            self._finish_at = now_ms + self.settings.finalize_wait_ms

    def _recount(self, sid: int, now_ms: int) -> None:
        """`_count` after the link to `sid` came or went: how long to wait may depend on that."""
        if sid == self.vote.leader:
            self._finish_at = None
        self._count(now_ms)

    def _agreeing(self) -> list[int]:
        mine = Ballot(self.vote, LOOKING, VERSION)
        return [sid for sid, ballot in self._votes.items() if agrees(ballot, mine)]

    def _is_final(self) -> bool:
        """Whether no better vote can come any more, and the leader is there."""
        leader = self.vote.leader
        if leader in self._unreachable:
            return False
        return leader == self._expected or all(
            self._has_spoken(sid) or sid in self._unreachable or not self.quorum.weight(sid)
            for sid in self.quorum.voters
        )

    def _has_spoken(self, sid: int) -> bool:
        ballot = self._votes.get(sid)
        if ballot is None:
            return False
        return ballot.state is LOOKING or ballot.vote.leader == self.vote.leader

    def _is_lost(self, leader: int) -> bool:
        return leader in self._unreachable and leader not in self._abandoned

    def _finish(self, now_ms: int) -> None:
        leader = self.vote.leader
        if not self._is_lost(leader):
            self._decide(self.vote, self._agreeing())
            return
        log.info("election: no link to %d, which was to lead: without it in a new round", leader)
        self._abandoned[leader] = None
        self._enter_round(self.round + 1)
        self._announce(now_ms)
        self._count(now_ms)

    def _decide(self, vote: Vote, supporters: list[int]) -> None:
        if vote.leader == self.my_id:
            self.state = LEADING
        else:
            # Who is no member, as before it is made one, follows without a vote.
            self.state = OBSERVING if self.my_id in self.quorum.observers else FOLLOWING
        # The clock is not set back when we join a leader of an earlier round: our messages of the
        # rounds between may still be on their way.
        self.round = max(self.round, vote.election_epoch)
        self.vote = vote
        self.decision = Decision(vote, self.state, tuple(sorted(supporters)))
        self._supporters = dict.fromkeys([*supporters, self.my_id])
        self._finish_at = self._resend_at = None
        log.info("election: %s, supported by %s", vote, self.decision.supporters)
        for sid in self._outsiders:
            self._send(sid)
        self._outsiders.clear()

    # --- once settled

    def _heard_when_settled(self, sid: int, heard: Notification, now_ms: int) -> None:
        vote, mine = heard.vote, self.vote
        self._early.pop(sid, None)
        if heard.state is LOOKING:
            self._send(sid)
            if vote.leader in self.quorum.voters:
                self._early[sid] = now_ms, heard
            later = vote.election_epoch > mine.election_epoch
            same = vote.election_epoch == mine.election_epoch
            if later or (same and succeeds(vote, mine, self.quorum)):
                self._deserters[sid] = None
        if vote.leader == mine.leader and vote.election_epoch == mine.election_epoch:
            self._deserters.pop(sid, None)
            self._supporters[sid] = None

    # --- messages

    def _message(self) -> bytes:
        return encode_notification(self.state, self.vote, self.config)

    def _send(self, sid: int) -> None:
        self.out.append((sid, self._message()))

    def _announce(self, now_ms: int) -> None:
        """Tell all voters my vote, and those without a vote that have asked for it."""
        message = self._message()
        voters = [sid for sid in self.quorum.voters if sid != self.my_id]
        self.out += [(sid, message) for sid in (*voters, *self._outsiders)]
        self._interval = self.settings.min_interval_ms
        self._resend_at = now_ms + self._interval

    def _hurry(self, now_ms: int) -> None:
        """There is news, so the next pause is a short one again."""
        self._interval = self.settings.min_interval_ms
        due = now_ms + self._interval
        self._resend_at = due if self._resend_at is None else min(self._resend_at, due)

    def _answer_outsider(self, sid: int, now_ms: int) -> None:
        """Tell a server that has no vote, if we have one, or a later configuration, by which
        others vote.

        Such a server may be one that answers to an earlier round than its own, at once: without a
        limit the two would go on for ever.
        """
        self._answer(sid, self._outsiders, now_ms)
        if len(self._outsiders) > MAX_OUTSIDERS:
            del self._outsiders[next(iter(self._outsiders))]

    def _answer(self, sid: int, told: dict[int, tuple[bytes, int]], now_ms: int) -> None:
        """Tell `sid` our vote, but not the same twice at a time."""
        message = self._message()
        last, when = told.pop(sid, (b"", 0))
        is_told = last == message and now_ms < when + self.settings.min_interval_ms // 2
        told[sid] = (last, when) if is_told else (message, now_ms)
        if not is_told:
            self.out.append((sid, message))

    def _note_config(self, sid: int, heard: Notification) -> None:
        version = heard.vote.config_version
        known = self.newer_config.version if self.newer_config else self.config_version
        if version > known:
            self.newer_config = NewerConfig(version, heard.config, sid)

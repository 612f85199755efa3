//! Rules of the design, each taken out to see that it is missed.

/// Stands between the nodes and the world, and breaks one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saboteur {
    None,
    /// Nodes think that their leases last for ever.
    NoFence,
    /// A renewal that has failed is taken for a done one.
    HidesFailedRenewals,
    /// Nodes are not told of later epochs by the store.
    NoEpochs,
    /// Nor by each other.
    NoKicks,
    /// The store says kept before it keeps.
    AnswersEarly,
    /// A node's driver takes a failed append for a done one.
    FailureIsSuccess,
    /// Nobody is told of messages.
    NoNudges,
    /// Nobody is told of messages that may be kept, and of aliases that may have moved.
    HidesDoubts,
    /// A driver that has lost what a node says does not own up.
    HidesLosses,
    /// An inbox that was cut looks as if it was not.
    HidesCuts,
    /// A driver that was cut off, or stood still, begins to read its inbox at its end.
    SkipsInbox,
    /// Nodes that are gone are shown as if they were there.
    ImmortalNodes,
    /// Sweeping takes an alias away and leaves its epoch.
    SweepsWithoutEpoch,
    /// A node that has been swept and comes back is given no inbox again.
    NoInboxAgain,
    /// The end of an earlier link takes the alias from a later one.
    ReleasesAnyEpoch,
    /// Requests about one alias are carried out in any order.
    Disorder,
    /// What is left of a message's time is measured by the node's wall clock.
    WallClock,
    /// A driver does not tell that it stood still.
    HidesPauses,
    /// Nodes' timers never fire.
    NoTimers,
    /// The store forgets what it has read out.
    DeletesWhenRead,
}

impl Saboteur {
    pub(crate) const ALL: [Self; 20] = [
        Self::NoFence,
        Self::HidesFailedRenewals,
        Self::NoEpochs,
        Self::NoKicks,
        Self::AnswersEarly,
        Self::FailureIsSuccess,
        Self::NoNudges,
        Self::HidesDoubts,
        Self::HidesLosses,
        Self::HidesCuts,
        Self::SkipsInbox,
        Self::ImmortalNodes,
        Self::SweepsWithoutEpoch,
        Self::NoInboxAgain,
        Self::ReleasesAnyEpoch,
        Self::Disorder,
        Self::WallClock,
        Self::HidesPauses,
        Self::NoTimers,
        Self::DeletesWhenRead,
    ];
}

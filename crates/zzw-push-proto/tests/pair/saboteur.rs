//! Rules of the design, each taken out to see that it is missed.

/// Stands between a machine and the world, and breaks one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saboteur {
    None,
    /// A device's store says stored and stores later.
    LyingFlash,
    /// A device's store says stored when it has failed.
    HidesFlashFailures,
    /// A device's program starts without the ids of what it has.
    ForgetsIds,
    /// A device remembers one id.
    ShortMemory,
    /// A device's driver says nothing when it has hung up.
    ForgetsHangUp,
    /// A device's timers never fire.
    NoDeviceTimers,
    /// A device's driver asks once more to be without a topic if that was not answered over the last
    /// link, also if the topic was asked for since.
    RepeatsUndoneChanges,
    /// Links lose a message now and then and go on.
    LeakyLinks,
    /// The broker's driver acknowledges what it has written.
    AcksForDevice,
    /// The broker's driver writes to another link.
    CrossedLinks,
    /// The broker's driver takes a request to publish twice.
    PublishesTwice,
    /// The broker's driver writes a confirmation twice.
    RepliesTwice,
    /// The broker's driver hands a frame for a door over twice.
    RepeatsDoors,
    /// The broker's driver holds frames for doors for a while.
    LateDoors,
    /// The broker's driver has the next pull acknowledge what an overtaken one would have brought.
    AcksOvertakenPulls,
    /// The broker's driver tells no gap to a link that a heartbeat has bound.
    DropsGapOfBeaten,
    /// The broker's driver takes a failed append for a done one.
    FailureIsSuccess,
    /// The broker's driver does not tell of failures of the store.
    SwallowsFailures,
    /// The broker's timers never fire.
    NoTimers,
    /// The store says kept before it keeps.
    AnswersEarly,
    /// The store's queues are gone when it is opened again.
    VolatileQueues,
    /// The store's topics are gone when it is opened again.
    VolatileTopics,
    /// The store numbers from 1 when it is opened again.
    ReusesIds,
    /// The store forgets what it has read out.
    DeletesWhenRead,
    /// The store reads what has expired as if it had not.
    ServesExpired,
    /// The store reads the newest first.
    NewestFirst,
    /// The store drops what is too much and does not count it.
    SilentEviction,
    /// The store reads out what it has kept without a word only when it has kept more.
    HidesDoubtful,
    /// The store tells a gap again and again.
    TellsGapTwice,
    /// The store confirms acknowledgements and does nothing.
    ForgetsAcks,
    /// The store takes an acknowledgement for one of all that came before.
    AcksAllBefore,
    /// The store carries out requests about one alias in any order.
    Disorder,
    /// The store keeps owners that have gone.
    KeepsOwners,
    /// The store keeps messages to topics for those who are there only.
    OnlyThosePresent,
}

impl Saboteur {
    pub(crate) const ALL: [Self; 34] = [
        Self::LyingFlash,
        Self::HidesFlashFailures,
        Self::ForgetsIds,
        Self::ShortMemory,
        Self::ForgetsHangUp,
        Self::NoDeviceTimers,
        Self::RepeatsUndoneChanges,
        Self::LeakyLinks,
        Self::AcksForDevice,
        Self::CrossedLinks,
        Self::PublishesTwice,
        Self::RepliesTwice,
        Self::RepeatsDoors,
        Self::LateDoors,
        Self::AcksOvertakenPulls,
        Self::DropsGapOfBeaten,
        Self::FailureIsSuccess,
        Self::SwallowsFailures,
        Self::NoTimers,
        Self::AnswersEarly,
        Self::VolatileQueues,
        Self::VolatileTopics,
        Self::ReusesIds,
        Self::DeletesWhenRead,
        Self::ServesExpired,
        Self::NewestFirst,
        Self::SilentEviction,
        Self::HidesDoubtful,
        Self::TellsGapTwice,
        Self::ForgetsAcks,
        Self::AcksAllBefore,
        Self::Disorder,
        Self::KeepsOwners,
        Self::OnlyThosePresent,
    ];
}

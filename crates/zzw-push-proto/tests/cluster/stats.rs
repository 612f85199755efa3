//! What sessions came to, added up.

use std::ops::AddAssign;

macro_rules! stats {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a session came to.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub(crate) struct Stats {
            $($(#[$doc])* pub $name: u64,)*
            pub trace: u64,
        }

        impl AddAssign for Stats {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
                self.trace ^= other.trace;
            }
        }
    };
}

stats! {
    letters,
    promised,
    refused,
    /// Kept messages that an application has seen.
    delivered,
    /// Messages for those online only that one has seen.
    direct,
    /// Kept messages that came again.
    again,
    /// Kept messages that were brought by pulls.
    pulled,
    expired,
    evicted,
    /// Kept though the publisher was told otherwise, and not delivered yet when all had settled.
    stranded,
    links,
    half_open,
    /// Links that were kept alive beside the one that a device has.
    ghosts,
    link_cuts,
    replaced,
    crashes,
    /// Of these, by a node that had just kept a message for a device of another one.
    widowed,
    pauses,
    drains,
    partitions,
    /// Redis was restarted.
    restarts,
    skews,
    /// Nodes lost their leases.
    fences,
    /// Links that were closed for the lack of one.
    fenced_links,
    /// Aliases taken from nodes that were gone.
    swept,
    store_failures,
    relays_lost,
    /// Nodes owned up to have lost what they said.
    missed,
    /// Parts of an inbox that were read twice.
    doubles,
    inbox_cuts,
    /// Claims that were done though the node was told otherwise.
    unsure_claims,
    /// Kept messages sent for an epoch that was over.
    stale,
    confirmed,
    /// Virtual seconds.
    seconds,
    steps,
}

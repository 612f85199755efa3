//! The subscriber, decision by decision: the connection.

mod platform_kit;

use platform_kit::*;
use se5_events::platform::*;
use se5_events::*;

#[test]
fn a_lost_connection_is_repaired_without_doubles() {
    let mut rig = Rig::up(config());
    let seen = sighting("a", START + 1_000);
    rig.pass(secs(1));
    rig.face(live(&seen));
    let missed = sighting("b", START + 3_000);
    rig.pass(secs(1));
    rig.reconnect(secs(10));
    rig.serve(Dialect::V1, &[seen, missed], secs(30));
    assert_eq!(rig.faces(Source::Backfill), ["b"]);
    assert_eq!(rig.gaps().len(), 1);
    assert_eq!(rig.filled(), [(rig.gaps()[0], 1, 1)]);
}

//! The broker where a simulation found it wanting.

mod platform_kit;

use platform_kit::{Rig, config};

fn publish(alias: &str, msg: &str) -> String {
    format!(r#"{{"t":6,"alias":["{alias}"],"msg":"{msg}","num":"n"}}"#)
}

#[test]
fn an_acknowledgement_waits_for_no_decision() {
    let mut rig = Rig::new(config());
    rig.connect(1);
    rig.bind(2, "m_2");
    rig.says(1, &publish("m_2", "hello"));
    let mid = rig.store.aliases["m_2"].queue[0].mid.0;
    rig.says(2, r#"{"t":8,"r":"1-2-3","u":"m_2"}"#);
    rig.says(2, &format!(r#"{{"t":-5,"mid":"{mid}"}}"#));
    assert!(rig.store.aliases["m_2"].queue.is_empty());
    assert_eq!(rig.platform.snapshot().acked, 1);
}
